from .chat import Chat as Chat, Form as Form, Said as Said, form as form
from .free_text import Parsed as Parsed, plain as plain
from .response import Generation as Generation, parse_response as parse_response, respond as respond
from .templates import TEMPLATES as TEMPLATES, Segment as Segment
from .trace import (
    Step as Step,
    Trace as Trace,
    id_of as id_of,
    parse_line as parse_line,
    parse_object as parse_object,
    parse_stored as parse_stored,
)
