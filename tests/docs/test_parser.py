"""Finding the commands in Markdown."""

import pytest

from tests.docs.commands import commands_in

pytestmark = pytest.mark.engine_neutral

TEXT = """# Title

    indented, so not a marked block

```sh
make run     # a comment

# only a comment
curl -s http://x/ \\
  -d '{"a": 1,
       "b": 2}'
```

```python
print("no shell")
```

```sh
cd x
```
"""


def test_commands_are_found_with_their_lines(tmp_path):
    file = tmp_path / "page.md"
    file.write_text(TEXT, encoding="utf-8")
    assert [(each.line, each.text.split()[0]) for each in commands_in(file)] == [
        (6, "make"),
        (9, "curl"),
        (19, "cd"),
    ]


def test_incomplete_command_is_an_error(tmp_path):
    file = tmp_path / "page.md"
    file.write_text("```sh\necho 'never closed\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="not complete"):
        commands_in(file)
