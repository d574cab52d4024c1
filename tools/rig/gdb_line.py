# SPDX-License-Identifier: BSD-2-Clause
"""The line between gdb and the stub in L0 (hv/gdb): COM2 as a pseudo-terminal on one side, a socket on the other.

The firmware reads and writes COM2 as well until Nidus takes it, so nothing passes before `open` is set: gdb's first
packet waits here, and what the firmware says is dropped. In gdb: target remote PATH.
"""
import os, pty, select, socket, threading, tty


class Line:
    def __init__(self, path):
        self.path = path
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.tty = os.ttyname(self.slave)
        self.open = threading.Event()
        self.over = False
        self.unheard = bytearray()      # what came while nobody was connected
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client = None
        while not self.over:
            sources = [self.master] + ([client] if client and self.open.is_set() else [] if client else [self.listener])
            ready = select.select(sources, [], [], 0.2)[0]
            if self.master in ready:
                data = os.read(self.master, 4096)
                if client and self.open.is_set():
                    client = self.send(client, data)
                elif self.open.is_set():
                    self.unheard += data
            if self.listener in ready:
                client = self.listener.accept()[0]
            elif client in ready:
                data = client.recv(4096)
                if data:
                    os.write(self.master, data)
                else:
                    client.close()
                    client = None
        if client:
            client.close()

    @staticmethod
    def send(client, data):
        try:
            client.sendall(data)
            return client
        except OSError:
            client.close()
            return None

    def write(self, data):
        """Bytes that no debugger sent: noise, for tests."""
        os.write(self.master, data)

    def close(self):
        self.over = True
        self.thread.join(2)
        self.listener.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
        os.close(self.master)
        os.close(self.slave)
