"""Writes the extents of one file as `tar --format=pax --sparse | zstd` does.

Arguments: directory, file name, and zstd with its options. GNU tar reads a sparse file 512 bytes at a time, which costs
more than anything else here; sendfile moves whole extents and copies nothing.
"""

import errno
import fcntl
import os
import subprocess
import sys
import tarfile

BLOCK = 512
F_SETPIPE_SZ = 1031
PIPE_BYTES = 1 << 20


def extents_of(file, size):
    at = 0
    while at < size:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        at = os.lseek(file, start, os.SEEK_HOLE)
        yield start, at - start


def padding(length):
    return b"\0" * (-length % BLOCK)


def headers(name, size, extents):
    numbers = [len(extents), *(number for extent in extents for number in extent)]
    layout = "".join(f"{number}\n" for number in numbers).encode()
    layout += padding(len(layout))
    info = tarfile.TarInfo(name)
    info.size = len(layout) + sum(length + len(padding(length)) for _, length in extents)
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": name,
        "GNU.sparse.realsize": str(size),
    }
    return info.tobuf(tarfile.PAX_FORMAT) + layout


def write(out, data):
    while data:
        data = data[os.write(out, data) :]


def widen(pipe):
    try:
        fcntl.fcntl(pipe, F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        pass  # Not a pipe, or a user has used up what all pipes together may take.


def send_file(out, directory, name):
    file = os.open(os.path.join(directory, name), os.O_RDONLY)
    size = os.fstat(file).st_size
    extents = list(extents_of(file, size))
    write(out, headers(name, size, extents))
    for offset, length in extents:
        end = offset + length
        while offset < end:
            sent = os.sendfile(out, file, offset, end - offset)
            if sent == 0:
                sys.exit(f"{name} got shorter while it was sent")
            offset += sent
        write(out, padding(length))
    write(out, b"\0" * 2 * BLOCK)


def main(directory, name, *zstd):
    """What zstd makes goes straight to our standard output."""
    widen(1)
    packer = subprocess.Popen(zstd, stdin=subprocess.PIPE, bufsize=0)
    content = packer.stdin.fileno()
    widen(content)
    try:
        send_file(content, directory, name)
        packer.stdin.close()
    except BrokenPipeError:
        pass  # It has ended, and says why.
    except BaseException:
        packer.kill()  # Else it would end its stream as if this had been all.
        raise
    if packer.wait() != 0:
        sys.exit(f"{name} was not sent whole")


main(*sys.argv[1:])
