import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { createCleartextMessage, generateKey, type PrivateKey, readPrivateKey, sign } from "openpgp";
import type { PackageRecord } from "../src/debian/index.ts";

/** Hex digits of a SHA-256. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A member of a tar archive, as raw as a test needs it. */
export interface RawMember {
  readonly name: string;
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly link?: string;
  readonly body?: string | Uint8Array;
  /** What the header claims, where that is not the body's length. */
  readonly size?: number;
}

/** A ustar archive of members as they are given, whatever they say. */
export function rawTar(members: readonly RawMember[]): Buffer {
  return Buffer.concat([...members.map(rawMember), Buffer.alloc(1024)]);
}

function rawMember(member: RawMember): Buffer {
  const body = Buffer.from(member.body ?? "");
  const header = Buffer.alloc(512);
  header.write(member.name, 0, 100, "utf8");
  header.write((member.mode ?? 0o644).toString(8).padStart(7, "0"), 100);
  header.write((member.uid ?? 0).toString(8).padStart(7, "0"), 108);
  header.write((member.gid ?? 0).toString(8).padStart(7, "0"), 116);
  header.write((member.size ?? body.length).toString(8).padStart(11, "0"), 124);
  header.write((member.mtime ?? 1_700_000_000).toString(8).padStart(11, "0"), 136);
  header.write("        ", 148);
  header.write(member.type ?? "0", 156);
  header.write(member.link ?? "", 157, 100, "utf8");
  header.write("ustar\0" + "00", 257, "latin1");
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

/** An ar archive (ar(5)). */
export function rawAr(members: readonly (readonly [name: string, body: Uint8Array])[]): Buffer {
  const parts: Buffer[] = [Buffer.from("!<arch>\n")];
  for (const [name, body] of members) {
    const head = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(body.length).padEnd(10)}\`\n`;
    parts.push(Buffer.from(head, "latin1"), Buffer.from(body));
    if (body.length % 2 === 1) parts.push(Buffer.from("\n"));
  }
  return Buffer.concat(parts);
}

export interface DebParts {
  readonly name?: string;
  readonly version?: string;
  readonly architecture?: string;
  /** Further lines of the control file. */
  readonly fields?: string;
  /** Further members of the control archive: `postinst`, `conffiles`… */
  readonly control?: Readonly<Record<string, string>>;
  readonly data?: readonly RawMember[];
  readonly compress?: (bytes: Buffer) => Buffer;
  readonly suffix?: string;
}

/** A binary package. */
export function buildDeb(parts: DebParts): Buffer {
  const {
    name = "sample",
    version = "1.0-1",
    architecture = "amd64",
    compress = gzipSync,
    suffix = ".gz",
  } = parts;
  const control = `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nMaintainer: T <t@example.org>\nDescription: test\n${parts.fields ?? ""}`;
  const files = Object.entries(parts.control ?? {}).map(([file, body]) => ({ name: `./${file}`, body }));
  return rawAr([
    ["debian-binary", Buffer.from("2.0\n")],
    [`control.tar${suffix}`, compress(rawTar([{ name: "./control", body: control }, ...files]))],
    [`data.tar${suffix}`, compress(rawTar(parts.data ?? []))],
  ]);
}

/** The record of a package as an index would give it. */
export function recordOf(deb: Buffer, parts: DebParts = {}, mirror = "http://127.0.0.1:9"): PackageRecord {
  const { name = "sample", version = "1.0-1", architecture = "amd64" } = parts;
  return {
    name,
    version,
    architecture,
    filename: `pool/main/${name[0]}/${name}/${name}_${version}_${architecture}.deb`,
    size: deb.length,
    sha256: sha256Hex(deb),
    installedSize: 1,
    mirror,
    suite: "sample",
  };
}

/** A signing key of a test's own archive. */
export async function makeKey(): Promise<{ readonly secret: PrivateKey; readonly armoured: string }> {
  const { privateKey, publicKey } = await generateKey({ userIDs: [{ name: "Archive of a test" }] });
  return { secret: await readPrivateKey({ armoredKey: privateKey }), armoured: publicKey };
}

export async function clearSign(text: string, secret: PrivateKey, date?: Date): Promise<string> {
  const message = await createCleartextMessage({ text });
  return sign({ message, signingKeys: secret, ...(date === undefined ? {} : { date }) });
}

export interface ReleaseParts {
  readonly suite: string;
  readonly date?: Date;
  readonly validUntil?: Date;
  readonly architectures?: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly fields?: string;
}

/** The text of a `Release` file. */
export function releaseText(parts: ReleaseParts): string {
  const day = (date: Date): string => date.toUTCString().replace("GMT", "UTC");
  const sums = [...parts.files].map(([path, bytes]) => ` ${sha256Hex(bytes)} ${bytes.length} ${path}`);
  return [
    "Origin: Test",
    `Suite: ${parts.suite}`,
    `Codename: ${parts.suite}`,
    `Date: ${day(parts.date ?? new Date(Date.now() - 3_600_000))}`,
    ...(parts.validUntil === undefined ? [] : [`Valid-Until: ${day(parts.validUntil)}`]),
    `Architectures: ${parts.architectures ?? "all amd64"}`,
    "No-Support-for-Architecture-all: Packages",
    "Components: main",
    ...(parts.fields === undefined ? [] : [parts.fields]),
    "SHA256:",
    ...sums,
    "",
  ].join("\n");
}

/** A web server whose answers a test can spoil. */
export class TestMirror {
  readonly files = new Map<string, Uint8Array>();
  /** Requests in order: method, path and range. */
  readonly requests: string[] = [];
  readonly headers: IncomingMessage["headers"][] = [];
  /** Answers itself and returns true, or lets the usual answer follow. */
  fault:
    | ((request: IncomingMessage, response: ServerResponse, body: Uint8Array | undefined) => boolean)
    | undefined;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this.url;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/debian`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "").replace(/^\/debian\//, "");
    this.requests.push(`${path}${request.headers.range === undefined ? "" : ` ${request.headers.range}`}`);
    this.headers.push(request.headers);
    const body = this.files.get(path);
    if (this.fault?.(request, response, body) === true) return;
    if (body === undefined) {
      response.writeHead(404).end();
      return;
    }
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const part = body.subarray(start);
    const ranged = { "content-range": `bytes ${start}-${body.length - 1}/${body.length}` };
    response.writeHead(start > 0 ? 206 : 200, {
      "content-length": part.length,
      ...(start > 0 ? ranged : {}),
    });
    response.end(part);
  }
}
