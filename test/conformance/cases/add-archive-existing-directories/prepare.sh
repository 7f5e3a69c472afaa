mkdir -p tree/tmp tree/bin tree/private/open tree/owned/empty tree/owned/new tree/etc
chmod 1777 tree/tmp
chmod 700 tree/private
echo text > tree/etc/file
tar --sort=name --owner=0 --group=0 --mtime=@1 -C tree -cf context/files.tar tmp bin private owned etc
