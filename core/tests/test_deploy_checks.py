from pathlib import Path
from typing import Any

import pytest

from core.deploy_checks import state_dir_is_persistent


@pytest.mark.parametrize(("inside", "ids"), [(True, ["crm.W001"]), (False, [])])
def test_a_state_folder_inside_the_program_is_named(
    settings: Any, tmp_path: Path, inside: bool, ids: list[str]
) -> None:
    settings.CRM_STATE_DIR = settings.BASE_DIR / ".state" if inside else tmp_path
    assert [problem.id for problem in state_dir_is_persistent()] == ids
