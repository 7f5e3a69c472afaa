cd context
python3 - <<'P'
import io, tarfile
with tarfile.open("files.tar", "w", format=tarfile.PAX_FORMAT) as tar:
    for name, xattrs in (("plain", {}), ("capable", {"security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"})):
        member = tarfile.TarInfo(name)
        member.size, member.mode = 2, 0o755
        member.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in xattrs.items()}
        tar.addfile(member, io.BytesIO(b"x\n"))
P
