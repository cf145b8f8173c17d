from .chat import Chat as Chat, Form as Form, Said as Said, form as form
from .free_text import Found as Found, Parsed as Parsed, answer_in as answer_in
from .marks import DOUBT as DOUBT, plain as plain
from .response import (
    Generation as Generation,
    parse_response as parse_response,
    reads_back as reads_back,
    respond as respond,
)
from .templates import TEMPLATES as TEMPLATES, Segment as Segment
from .trace import (
    EARLIER as EARLIER,
    OWN as OWN,
    Earlier as Earlier,
    Step as Step,
    Trace as Trace,
    id_of as id_of,
    parse_line as parse_line,
    parse_object as parse_object,
    parse_stored as parse_stored,
)
