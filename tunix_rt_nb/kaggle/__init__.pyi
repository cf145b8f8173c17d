from .kernel import prepare as prepare
from .submission import Submission as Submission
