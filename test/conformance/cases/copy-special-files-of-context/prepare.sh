cd context
mkdir private shared
echo x > private/file
chmod 0700 private
chmod 0640 private/file
chmod 2775 shared
echo s > setuid
chmod 4755 setuid
truncate -s 1M sparse
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'
echo same > hard-1
ln hard-1 hard-2
mkfifo pipe
