from .kernel import kinds_of as kinds_of, prepare as prepare
from .submission import Submission as Submission
