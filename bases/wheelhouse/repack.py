"""Makes wheels (PEP 427) of the Python packages that Debian installed on this system.

    repack.py WHEELS                                    all of them
    repack.py --program NAME FILE COPYRIGHT WHEELS      one of a program that is no Python

What a wheel's extension modules need beside the C library travels inside the wheel, as auditwheel has it. Two runs over
the same packages make the same bytes.
"""

import base64
import configparser
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

MODULES = pathlib.Path("/usr/lib/python3/dist-packages")
RECORDS = pathlib.Path("/var/lib/dpkg/info")
DOCUMENTATION = pathlib.Path("/usr/share/doc")

# Every system that runs Python has these (PEP 600 lists them), whatever else it has.
EVERYWHERE = re.compile(r"^(linux-vdso|ld-linux|ld64|libc|libm|libdl|librt|libpthread|libutil|libgcc_s|libstdc\+\+)[.-]")

# The same modules under the name by which an index has them with their libraries inside.
ALIASES = {"psycopg2": ["psycopg2", "psycopg2-binary"]}


def main(arguments):
    if arguments[:1] == ["--program"]:
        _, name, program, licence, target = arguments
        return wheel_of_program(name, pathlib.Path(program), pathlib.Path(licence), pathlib.Path(target))
    target = pathlib.Path(arguments[0])
    target.mkdir(parents=True, exist_ok=True)
    for package, paths in sorted(owned_files().items()):
        records = sorted({path.parts[0] for path in paths if path.parts[0].endswith((".dist-info", ".egg-info"))})
        if len(records) == 1:
            make_wheels(package, records[0], paths, target)


def owned_files():
    """The files below MODULES of each Debian package, relative to it."""
    owned = {}
    for record in RECORDS.glob("*.list"):
        paths = []
        for line in record.read_text().splitlines():
            path = pathlib.Path(line)
            if path.is_relative_to(MODULES) and path.is_file():
                paths.append(path.relative_to(MODULES))
        if paths:
            owned[record.stem.split(":")[0]] = paths
    return owned


def make_wheels(package, record, paths, target):
    metadata = metadata_of(MODULES / record)
    found = re.search(r"^Name: *(\S+)$", metadata, re.M)[1]
    for name in ALIASES.get(found, [found]):
        with tempfile.TemporaryDirectory() as directory:
            files = {}
            for path in paths:
                if path.parts[0] != record and "__pycache__" not in path.parts:
                    files[str(path)] = MODULES / path
            libraries = graft(name, files, pathlib.Path(directory))
            licences = {package: DOCUMENTATION / package / "copyright", **libraries}
            entry_points = MODULES / record / "entry_points.txt"
            write_wheel(
                target,
                metadata.replace(f"Name: {found}", f"Name: {name}", 1),
                files,
                entry_points.read_text() if entry_points.exists() else "",
                licences,
            )


def metadata_of(record):
    """The metadata of an installed package in the form that wheels have (core metadata specification)."""
    if record.is_file():
        return record.read_text()
    if (record / "METADATA").exists():
        return (record / "METADATA").read_text()
    text = (record / "PKG-INFO").read_text()
    requires = record / "requires.txt"
    if not requires.exists() or re.search(r"^Requires-Dist:", text, re.M):
        return text
    head, separator, description = text.partition("\n\n")
    return "\n".join([head, *requirements(requires.read_text())]) + "\n" + separator[1:] + description


def requirements(text):
    """`requires.txt` of an egg (setuptools) as fields of the metadata."""
    fields, extra, marker = [], "", ""
    for line in text.splitlines():
        section = re.fullmatch(r"\[([^\]:]*):?(.*)\]", line)
        if section:
            extra, marker = section[1], section[2]
            if extra:
                fields.append(f"Provides-Extra: {extra}")
        elif line.strip():
            conditions = [f"({marker})"] if marker else []
            conditions += [f'extra == "{extra}"'] if extra else []
            fields.append(f"Requires-Dist: {line}" + (" ; " + " and ".join(conditions) if conditions else ""))
    return fields


def graft(name, files, directory):
    """Puts the libraries of extension modules into the wheel; answers with the licences of their packages."""
    modules = [path for path in files if path.endswith(".so")]
    libraries = {}
    for path in modules:
        libraries.update(needed(files[path]))
    if not libraries:
        return {}
    place = f"{normalized(name)}.libs"
    for path in modules:
        up = "/".join([".."] * path.count("/")) or "."
        files[path] = patched(files[path], directory / path, f"$ORIGIN/{up}/{place}")
    for soname, source in libraries.items():
        files[f"{place}/{soname}"] = patched(source, directory / place / soname, "$ORIGIN")
    return licences_of(libraries.values())


def needed(module):
    """The libraries that a module needs, by the name under which the loader looks for them."""
    output = subprocess.run(["ldd", module], check=True, capture_output=True, text=True).stdout
    found = re.findall(r"^\t(\S+) => (/\S+) ", output, re.M)
    return {soname: pathlib.Path(path).resolve() for soname, path in found if not EVERYWHERE.match(soname)}


def patched(source, copy, search_path):
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    subprocess.run(["patchelf", "--set-rpath", search_path, copy], check=True)
    return copy


def licences_of(libraries):
    owners = {}
    for record in RECORDS.glob("*.list"):
        for line in record.read_text().splitlines():
            owners[line.removeprefix("/usr")] = record.stem.split(":")[0]
    found = {owners[str(path).removeprefix("/usr")] for path in libraries}
    return {package: DOCUMENTATION / package / "copyright" for package in found}


def wheel_of_program(name, program, licence, target):
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {f"{normalized(name)}-{version}.data/scripts/{name}": program}
    write_wheel(target, metadata, files, "", {name: licence}, tag=f"py3-none-{platform_tag()}")


def write_wheel(target, metadata, files, entry_points, licences, tag=None):
    name = normalized(re.search(r"^Name: *(\S+)$", metadata, re.M)[1])
    version = re.search(r"^Version: *(\S+)$", metadata, re.M)[1]
    pure = tag is None and not any(path.endswith(".so") for path in files)
    tag = tag or ("py3-none-any" if pure else extension_tag())
    about = f"{name}-{version}.dist-info"
    contents = {path: (source.read_bytes(), is_program(source)) for path, source in files.items()}
    contents[f"{about}/METADATA"] = (metadata.encode(), False)
    contents[f"{about}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: repack\nRoot-Is-Purelib: {str(pure).lower()}\nTag: {tag}\n".encode(),
        False,
    )
    if entry_points:
        contents[f"{about}/entry_points.txt"] = (checked(entry_points).encode(), False)
    for package, path in licences.items():
        if path.exists():
            contents[f"{about}/licenses/{package}"] = (path.read_bytes(), False)
    rows = [f"{path},sha256={digest(data)},{len(data)}\n" for path, (data, _) in sorted(contents.items())]
    contents[f"{about}/RECORD"] = ("".join([*rows, f"{about}/RECORD,,\n"]).encode(), False)
    with zipfile.ZipFile(target / f"{name}-{version}-{tag}.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        # The metadata comes last, as PEP 427 recommends.
        for path in sorted(contents, key=lambda one: (one.startswith(about), one)):
            data, executable = contents[path]
            member = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(member, data)


def checked(entry_points):
    configparser.RawConfigParser(delimiters=("=",), strict=False).read_string(entry_points)
    return entry_points


def is_program(source):
    return source.stat().st_mode & 0o111 != 0


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def normalized(name):
    return re.sub(r"[-_.]+", "_", name).lower()


def extension_tag():
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return f"{version}-{version}-{platform_tag()}"


def platform_tag():
    return re.sub(r"[-.]", "_", sysconfig.get_platform())


main(sys.argv[1:])
