"""GSM8K: word problems whose answer comes after `####` (https://arxiv.org/abs/2110.14168)."""

import re

from tunix_rt_nb.common import InputError
from tunix_rt_nb.trace.formats.one_text import read_text
from tunix_rt_nb.trace.formats.record import Format, Record, text
from tunix_rt_nb.trace.trace import Trace

_CALCULATOR = re.compile(r"<<[^<>]*>>")


def gsm8k(record: Record) -> Trace:
    """Make a trace of a record of GSM8K, without its calculator annotations `<<...>>`.

    Example:
      >>> trace = gsm8k({"question": "q", "answer": "Half is 4/2=<<4/2=2>>2.\\n#### 2"})
      >>> trace.steps[0].content, trace.final_answer
      ('Half is 4/2=2.', '2')
    """
    said, mark, answer = _CALCULATOR.sub("", text(record, "answer")).rpartition("####")
    if not mark:
        raise InputError("answer: has no final answer, expected it after ####")
    used, asked = ("question", "answer"), text(record, "question")
    return read_text(record, used, asked, "", thought=said, answer=answer.strip())


GSM8K = Format("gsm8k", gsm8k, noun="GSM8K problem{s}")
