from .kernel import by_hand as by_hand, kinds_of as kinds_of, prepare as prepare
from .submission import Submission as Submission
