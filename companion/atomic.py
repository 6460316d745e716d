"""Writing a file in one go, so that no reader ever meets a half."""

import contextlib
import os
import secrets
import stat


def write(path, data: bytes) -> None:
    """Write a file: afterwards it holds all of ``data``, or, if this fails, what it held before.

    The data goes into a new file in the same folder, which then takes the place of the old one. A
    link stays a link. Permissions are those of the old file, or what every new file gets.

    Raises
    ------
    OSError
        As everything that writes files: no such folder, no permission, no space.
    """
    path = os.fsdecode(path)
    target = os.path.realpath(path)
    if not os.path.basename(path) or os.path.isdir(target):
        raise IsADirectoryError(f"{path!r} is a folder, expected the path of a file")
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(f"{path!r} is not a regular file, which is all that can be replaced")
    temporary = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise
