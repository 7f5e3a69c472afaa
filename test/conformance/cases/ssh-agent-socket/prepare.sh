python3 - <<'P'
import socket
socket.socket(socket.AF_UNIX).bind("agent.sock")
P
