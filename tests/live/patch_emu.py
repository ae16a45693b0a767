#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""patch_emu.py FROM TO SYMBOL=VALUE…: a copy of an emulator that says something
else of itself. VALUE: a number (32 bits) or a text of at most the symbol's
size. `build-id=HEX`: of another build, or none. `hide=SYMBOL`: under another
name."""
import struct
import sys


def sections(elf):
    off, = struct.unpack_from('<Q', elf, 0x28)
    size, count = struct.unpack_from('<HH', elf, 0x3a)
    for i in range(count):
        yield struct.unpack_from('<IIQQQQIIQQ', elf, off + i * size)


def symbols(elf):
    all_sections = list(sections(elf))
    for s in all_sections:
        if s[1] not in (2, 11):  # SHT_SYMTAB, SHT_DYNSYM
            continue
        names = all_sections[s[6]][4]
        for at in range(s[4], s[4] + s[5], 24):
            name, _, _, _, value, size = struct.unpack_from('<IBBHQQ', elf, at)
            end = elf.index(b'\0', names + name)
            yield elf[names + name:end].decode(), value, size


def file_offset(elf, vaddr):
    for s in sections(elf):
        if s[1] != 8 and s[3] and s[3] <= vaddr < s[3] + s[5]:
            return s[4] + vaddr - s[3]
    raise SystemExit(f'{vaddr:#x} is in no section')


def set_build_id(elf, value):
    for s in sections(bytes(elf)):
        if s[1] == 7 and elf[s[4] + 8:s[4] + 16] == b'\3\0\0\0GNU\0':
            at, size = s[4] + 16, s[5] - 16
            elf[at:at + size] = bytes.fromhex(value).ljust(size, b'\0')
            return
    raise SystemExit('no build-id')


def hide(elf, symbol):
    """Names are found by what the table of symbols refers to: change that."""
    for s in sections(bytes(elf)):
        if s[1] not in (2, 11):
            continue
        names = list(sections(bytes(elf)))[s[6]][4]
        for at in range(s[4], s[4] + s[5], 24):
            name, = struct.unpack_from('<I', elf, at)
            end = elf.index(b'\0', names + name)
            if elf[names + name:end].decode() == symbol:
                struct.pack_into('<I', elf, at, name + 1)
                return
    raise SystemExit(f'no symbol {symbol}')


def main():
    with open(sys.argv[1], 'rb') as f:
        elf = bytearray(f.read())
    for a in sys.argv[3:]:
        if a.startswith('hide='):
            hide(elf, a[5:])
    wanted = dict(a.split('=') for a in sys.argv[3:] if not a.startswith('hide='))
    if 'build-id' in wanted:
        set_build_id(elf, wanted.pop('build-id'))
    for name, vaddr, size in symbols(bytes(elf)):
        value = wanted.pop(name, None)
        if value is None:
            continue
        at = file_offset(elf, vaddr)
        new = (struct.pack('<i', int(value)) if size == 4 else
               value.encode().ljust(size, b'\0'))
        assert len(new) == size
        elf[at:at + size] = new
    if wanted:
        raise SystemExit(f'no symbol {", ".join(wanted)}')
    with open(sys.argv[2], 'wb') as f:
        f.write(elf)


main()
