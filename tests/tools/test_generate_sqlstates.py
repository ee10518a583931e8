import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "generate_sqlstates.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_sqlstates", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_module_is_what_the_generator_writes() -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_check_tells_a_difference(tmp_path: Path) -> None:
    other = tmp_path / "errcodes.txt"
    other.write_text("Section: Class 22\n22000 E ERRCODE_DATA_EXCEPTION data_exception\n")
    done = subprocess.run(
        [sys.executable, str(TOOL), "--check", str(other)], capture_output=True, check=False
    )
    assert done.returncode == 1


def test_names(tool: ModuleType) -> None:
    sources = tool.generate(
        "Section: Class 22\n22004 E X null_value_not_allowed\n22008 E X_OLD\n"
        "39004 E X null_value_not_allowed\nXX000 E X internal_error\n01000 W X warning\n"
    )
    stub, source = sources[tool.STUB_TARGET], sources[tool.TARGET]
    assert "class NullValueNotAllowed(DataError):" in stub
    assert "class NullValueNotAllowedExt(InternalError):" in stub
    assert "class InternalError_(InternalError):" in stub
    assert '"39004": "NullValueNotAllowedExt",' in source
    assert '"01000": "warning",' in source and "Warning" not in stub


@pytest.mark.parametrize("text", ["2200 E X y", "22000 Q X y", "22000 E X y\n42000 E X y"])
def test_a_list_it_does_not_understand_is_refused(tool: ModuleType, text: str) -> None:
    with pytest.raises(ValueError):
        tool.generate(text)
