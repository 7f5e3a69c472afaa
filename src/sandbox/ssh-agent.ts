import { readFile, stat } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { explainSystemError, WhittleError } from "../io/index.ts";
import { readSshKey, type SshKey } from "./ssh-key.ts";
import { WireReader, wireString, wireUint32 } from "./ssh-wire.ts";

/** Serves one connection of a client that speaks the agent protocol (draft-miller-ssh-agent). */
export type SshAgent = (client: Duplex) => void;

// Message numbers of the protocol, section 5.1.
const failure = 5;
const requestIdentities = 11;
const identitiesAnswer = 12;
const signRequest = 13;
const signResponse = 14;

// As OpenSSH, which takes no longer message.
const longestMessage = 256 * 1024;
const longestKey = 100 * 1024;

/**
 * The agent behind a socket, or one of ours that holds keys from files. Whoever it serves may list keys and sign:
 * no key is added to or taken from the person's agent, which is not locked either.
 *
 * @param paths - one socket, or files with private keys
 * @param raw - pass everything on to the socket, unread
 * @throws WhittleError `NOT_FOUND`, `PERMISSION`, `USAGE` for what is neither
 */
export async function openAgent(paths: readonly string[], raw: boolean): Promise<SshAgent> {
  const sockets: string[] = [];
  const keys: SshKey[] = [];
  for (const path of paths) {
    const about = await stat(path).catch((error: unknown) => {
      throw explainSystemError(error, `forward the ssh agent or key ${path}`);
    });
    if (about.isSocket()) sockets.push(path);
    else keys.push(await keyOf(path, about.size));
  }
  const [socket, ...others] = sockets;
  if (others.length > 0) throw unusable("only a single socket is allowed", paths);
  if (socket !== undefined && keys.length > 0) throw unusable("keys and a socket do not go together", paths);
  if (raw && socket === undefined) throw unusable("raw mode wants a socket", paths);
  if (socket === undefined) return (client) => serve(client, async (message) => answerWith(keys, message));
  return raw ? (client) => join(client, createConnection(socket)) : (client) => forward(client, socket);
}

function unusable(reason: string, paths: readonly string[]): WhittleError {
  return new WhittleError("USAGE", `Cannot forward ${paths.join(", ")} for ssh: ${reason}`);
}

async function keyOf(path: string, size: number): Promise<SshKey> {
  if (size > longestKey) {
    throw new WhittleError(
      "USAGE",
      `Cannot use the ssh key ${path}: it has ${size} bytes, too many for a key`,
    );
  }
  const text = await readFile(path, "latin1").catch((error: unknown) => {
    throw explainSystemError(error, `read the ssh key ${path}`);
  });
  return readSshKey(text, path);
}

function join(client: Duplex, agent: Socket): void {
  client.pipe(agent).pipe(client);
  client.on("error", () => agent.destroy()).on("close", () => agent.destroy());
  agent.on("error", () => client.destroy()).on("close", () => client.destroy());
}

/** A connection of its own for each client: agents keep state for a connection. */
function forward(client: Duplex, path: string): void {
  const agent = createConnection(path);
  const answers = messages(agent);
  client.on("close", () => agent.destroy());
  agent.on("error", () => client.destroy()).on("close", () => client.destroy());
  serve(client, async (message) => {
    if (message[0] !== requestIdentities && message[0] !== signRequest) return Buffer.of(failure);
    agent.write(wireString(message));
    const { value } = await answers.next();
    return value ?? Buffer.of(failure);
  });
}

/** Answers the messages of a client one after the other, until it ends or says something that is no message. */
function serve(client: Duplex, answer: (message: Buffer) => Promise<Buffer>): void {
  client.on("error", () => client.destroy());
  const converse = async (): Promise<void> => {
    for await (const message of messages(client)) client.write(wireString(await answer(message)));
  };
  converse().then(
    () => client.end(),
    () => client.destroy(),
  );
}

/** Section 3: every message is a string of RFC 4251. */
async function* messages(stream: Duplex): AsyncGenerator<Buffer, undefined, undefined> {
  let pending = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4) {
      const length = pending.readUInt32BE();
      if (length === 0 || length > longestMessage) throw new RangeError(`a message of ${length} bytes`);
      if (pending.length < 4 + length) break;
      yield pending.subarray(4, 4 + length);
      pending = pending.subarray(4 + length);
    }
  }
  return undefined;
}

function answerWith(keys: readonly SshKey[], message: Buffer): Buffer {
  if (message[0] === requestIdentities) {
    const listed = keys.flatMap(({ blob, comment }) => [wireString(blob), wireString(comment)]);
    return Buffer.concat([Buffer.of(identitiesAnswer), wireUint32(keys.length), ...listed]);
  }
  if (message[0] !== signRequest) return Buffer.of(failure);
  try {
    const reader = new WireReader(message.subarray(1));
    const [blob, data, flags] = [reader.string(), reader.string(), reader.uint32()];
    const key = keys.find((one) => one.blob.equals(blob));
    if (key === undefined) return Buffer.of(failure);
    return Buffer.concat([Buffer.of(signResponse), wireString(key.sign(data, flags))]);
  } catch {
    return Buffer.of(failure);
  }
}
