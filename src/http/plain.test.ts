import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer, type Server } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { speaksPlainHttp } from "./plain.ts";

const { signal } = new AbortController();

async function addressOf(server: Server): Promise<string> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it("knows a server of plain HTTP by its answer, which may come byte by byte", async () => {
  expect(await speaksPlainHttp(await addressOf(createHttp()), signal)).toBe(true);
  const slow = createServer((socket) => {
    socket.on("error", () => undefined).setNoDelay(true);
    socket.once("data", () => {
      for (const letter of "HTTP/1.0 400 Bad Request\r\n\r\n") socket.write(letter);
    });
  });
  expect(await speaksPlainHttp(await addressOf(slow), signal)).toBe(true);
});

it("takes nobody else for one", async () => {
  expect(await speaksPlainHttp(await addressOf(createHttps()), signal)).toBe(false);
  for (const answer of ["", "HTTP", "SSH-2.0-x\r\n", "\x15\x03\x01\x00\x02\x02\x28", undefined]) {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => (answer === undefined ? undefined : socket.end(answer, "latin1")));
    });
    expect(await speaksPlainHttp(await addressOf(server), signal), answer).toBe(false);
  }
  const closed = createServer();
  const address = await addressOf(closed);
  closed.close();
  expect(await speaksPlainHttp(address, signal)).toBe(false);
  expect(await speaksPlainHttp(address, AbortSignal.abort())).toBe(false);
});
