cd context
python3 - <<P
import io, tarfile
archive = tarfile.open("links.tar", "w")
file = tarfile.TarInfo("file")
file.size, file.mode, file.mtime = 3, 0o644, 1
archive.addfile(file, io.BytesIO(b"abc"))
link = tarfile.TarInfo("link")
link.type, link.linkname, link.mode, link.mtime = tarfile.SYMTYPE, "file", 0o640, 1
archive.addfile(link)
archive.close()
P
