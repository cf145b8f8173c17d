"""A reasoning trace and its text: how it is written, read back, and read from what others wrote."""

from tunix_rt_nb.trace.chat import Chat, Form, Said, form
from tunix_rt_nb.trace.free_text import Parsed, plain
from tunix_rt_nb.trace.response import Generation, parse_response, respond
from tunix_rt_nb.trace.templates import TEMPLATES, Segment
from tunix_rt_nb.trace.trace import Step, Trace, id_of, parse_line, parse_object, parse_stored
