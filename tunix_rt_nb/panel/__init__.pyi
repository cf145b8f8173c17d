from .board import show as show
from .server import serve as serve
