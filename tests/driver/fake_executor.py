"""An executor that runs nothing: a real process that speaks the control protocol, and does as `args` say.

exit:7        end with 7 right after the start          deaf          never end, whatever is asked
vanish:3      the same, without an exit.json            hang          never answer the start
refuse:KIND   answer the start with an error            crash         end before listening, with a last word
child         start a process of its own                token         show the digest of the Vault token
                                              garbage:7     answer exec and inspect with damage of this seed
"""

import base64
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from mutations import bytes_of

from wasmdeploy_driver.executor import control

state = Path(sys.argv[1])
launch = json.loads((state / control.LAUNCH).read_text())
wishes = dict(wish.partition(":")[::2] for wish in launch["task"].get("args", []))
ended = threading.Event()
chance = random.Random(int(wishes.get("garbage") or 0))


def end(code, number=0):
    if "vanish" not in wishes:
        scratch = state / ".exit"
        scratch.write_text(
            json.dumps({"exit_code": code, "signal": number, "oom_killed": False, "error": ""})
        )
        scratch.replace(state / control.EXIT)
    ended.set()
    os._exit(code)


def serve(connection):
    lines = connection.makefile("rb")

    def send(message):
        connection.sendall(control.encode_line(message))

    request = control.decode_line(lines.readline())
    match request["call"]:
        case "start":
            send({"event": "compiling", "detail": "one guest"})
            if "hang" in wishes:
                lines.read()  # until the caller has gone
                end(1)
            if "refuse" in wishes:
                send(
                    {
                        "error": {
                            "kind": wishes["refuse"],
                            "message": "refused as asked",
                            "hint": "ask otherwise",
                        }
                    }
                )
                return
            if "token" in wishes:
                send(
                    {"event": "token", "detail": hashlib.sha256(request["vault_token"].encode()).hexdigest()}
                )
            send({"ok": {"pid": os.getpid(), "host": launch.get("host", ""), "port": launch.get("port", 0)}})
            for wish in ("exit", "vanish"):
                if wish in wishes:
                    end(int(wishes[wish]))
        case "stop" if "deaf" in wishes:
            lines.read()
        case "stop":
            send({"ok": {}})
            end(0)
        case "token":
            (state / "token").write_text(hashlib.sha256(request["vault_token"].encode()).hexdigest())
            send({"ok": {}})
        case "signal":
            (state / "signals").write_text(request["name"] + "\n")
            send({"ok": {}})
        case "exec" | "inspect" if "garbage" in wishes:
            whole = b'{"stdout":"aGVsbG8="}\n{"ok":{"exit_code":3,"pid":4,"state":"running"}}\n'
            connection.sendall(bytes_of(chance, whole))
        case "exec" if request["command"] == ["break"]:
            pass
        case "exec":
            told, size = {"command": request["command"], "tty": request["tty"], "sizes": []}, 0
            while "stdin" not in (message := control.decode_line(lines.readline())) or message["stdin"]:
                if "size" in message:
                    told["sizes"].append(message["size"])
                else:
                    size += len(base64.b64decode(message["stdin"]))
            data = json.dumps(told | {"stdin": size}).encode()
            send({"stdout": base64.b64encode(data).decode()})
            send({"ok": {"exit_code": 7}})
        case "events":
            send({"event": "watched", "detail": "events are on"})
            ended.wait()
        case "inspect":
            send({"ok": {"pid": os.getpid(), "state": "running"}})
    connection.close()


if "deaf" in wishes:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "crash" in wishes:
    sys.exit("the last word")
if "child" in wishes:
    (state / "child").write_text(str(subprocess.Popen(["sleep", "600"]).pid))
listener = socket.socket(socket.AF_UNIX)
with control.short_path(state) as path:
    listener.bind(path)
listener.listen()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
