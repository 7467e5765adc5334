"""An app on `wasmdeploy_http` that uses Python's own sockets: each path is one thing that they do."""

import socket


def handle(request):
    try:
        return PATHS[request.path](*request.query["to"].split(","))
    except OSError as error:
        return type(error).__name__


def place(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def tcp(to):
    with socket.create_connection(place(to), timeout=10) as connection:
        connection.sendall(b"ping")
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            return answer.read().decode()


def udp(to):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.sendto(b"ping", place(to))
        return sending.recvfrom(100)[0].decode()


def udp_connected(to):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.connect(place(to))
        sending.send(b"ping")
        return sending.recv(100).decode()


def lookup(name):
    return [found[4][0] for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]


def bind(to):
    with socket.socket() as listening:
        listening.bind(place(to))
        listening.listen()
        return "listening"


def bind_udp(to):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(place(to))
        return "bound"


def redis(to):
    """Count up a number, in Redis's own protocol."""
    with socket.create_connection(place(to)) as connection, connection.makefile("rwb") as stream:
        said = []
        for command in ("SET visits 41", "INCR visits", "GET visits"):
            words = [b"$%d\r\n%s\r\n" % (len(word), word) for word in command.encode().split()]
            stream.write(b"*%d\r\n%s" % (len(words), b"".join(words)))
            stream.flush()
            line = stream.readline().rstrip()
            said.append((stream.readline().rstrip() if line[:1] == b"$" else line).decode())
        return " ".join(said)


PATHS = {
    "/tcp": tcp,
    "/udp": udp,
    "/udp-connected": udp_connected,
    "/lookup": lookup,
    "/bind": bind,
    "/bind-udp": bind_udp,
    "/redis": redis,
}
