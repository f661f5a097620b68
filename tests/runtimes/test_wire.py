"""Protobuf messages, against Google's own reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paddle.base.proto import framework_pb2

from bmn.runtimes.wire import fields, integers, messages, text


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.text())
def test_what_google_writes_is_read(sizes, name):
    tensor = framework_pb2.VarType.TensorDesc(data_type=framework_pb2.VarType.FP32, dims=sizes)
    assert integers(memoryview(tensor.SerializeToString()), 2) == sizes
    variable = framework_pb2.VarDesc(name=name, type=framework_pb2.VarType(type=framework_pb2.VarType.RAW))
    content = memoryview(variable.SerializeToString())
    assert text(content, 1) == name
    assert [list(fields(kind)) for kind in messages(content, 2)] == [[(1, 17)]]


@given(st.binary())
def test_any_bytes_are_read_or_refused(content):
    try:
        found = list(fields(memoryview(content)))
    except ValueError:
        return
    assert len(found) <= len(content)


@pytest.mark.parametrize(
    "content", [b"\x08", b"\x0a\x05a", b"\x0b", b"\x08" + b"\xff" * 11, b"\x0a" + b"\xff" * 9 + b"\x01"]
)
def test_damage_is_refused(content):
    with pytest.raises(ValueError, match=r"it ends within|unknown wire type"):
        list(fields(memoryview(content)))


def test_a_text_that_is_set_twice_is_refused():
    with pytest.raises(ValueError, match="set 2 times"):
        text(memoryview(b"\x0a\x01a\x0a\x01b"), 1)
