"""Boot id and file systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.machine import boot_id, file_system_of, network_file_system

MOUNTS = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:5 / /dev rw - devtmpfs none rw
30 22 0:40 / /mnt/data rw,relatime shared:9 master:2 - nfs4 server:/export rw,vers=4.2
31 30 0:41 / /mnt/data/local rw - ext4 /dev/vdb rw
32 22 0:42 / /mnt/with\040blank rw - cifs //server/share rw
33 22 0:43 / /srv rw - tmpfs none rw
34 22 0:44 / /srv rw - fuse.sshfs host: rw
not a mount line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/home/app", "ext4", id="the root catches what nothing else does"),
        pytest.param("/mnt/data/box", "nfs4", id="a mount point holds what lies under it"),
        pytest.param("/mnt/data", "nfs4", id="and itself"),
        pytest.param("/mnt/database", "ext4", id="but not what merely begins alike"),
        pytest.param("/mnt/data/local/box", "ext4", id="the longest mount point counts"),
        pytest.param("/mnt/with blank/x", "cifs", id="blanks are written in octal"),
        pytest.param("/srv/x", "fuse.sshfs", id="a later mount hides the earlier one"),
    ],
)
def test_file_system_of(path: str, kind: str) -> None:
    assert file_system_of(path, MOUNTS) == kind


def test_no_mounts_no_answer() -> None:
    assert file_system_of("/home", "") is None


def test_this_machines_temporary_directory_is_local(tmp_path: Path) -> None:
    assert network_file_system(tmp_path) is None


def test_the_boot_id_is_the_same_for_all_who_ask() -> None:
    assert boot_id() == boot_id()
