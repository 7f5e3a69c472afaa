import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Solver, standardExecutors } from "../src/build/index.ts";
import { openImage, parsePlatform, readTree } from "../src/image/index.ts";
import { cacheDirectory, quietWork } from "../src/io/index.ts";
import { planProject, readProject } from "../src/project/index.ts";
import { openStore, unpackedLayersDirectory } from "../src/store/index.ts";
import { type Finished, root, temporary, whittle } from "./program.ts";

const bases = join(root, "bases");
const families = ["static", "base", "cc", "python3", "nodejs", "java"];
const carved = [...families, "postgres"];
const systems = ["debian", "python", "wheelhouse", "golang"];
let directory = "";
let store = "";

beforeAll(async () => {
  directory = temporary();
  store = join(directory, "store");
  for (const name of [...carved, ...systems]) {
    const built = await whittle(store, ["build", join(bases, name), "--platform", "linux/amd64"]);
    expect(built.status, `${name}: ${built.stderr}`).toBe(0);
  }
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs a container of one of the bases to its end. */
function run(image: string, command: readonly string[], options: readonly string[] = []): Promise<Finished> {
  return whittle(store, ["run", "--rm", ...options, image, ...command]);
}

async function output(
  image: string,
  command: readonly string[],
  options?: readonly string[],
): Promise<string> {
  const { status, stdout, stderr } = await run(image, command, options);
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Lends a server that says hello, whose certificate nobody has signed. */
async function withServer(use: (address: string, certificate: string) => Promise<void>): Promise<void> {
  const [key, certificate] = [join(directory, "key.pem"), join(directory, "certificate.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, ...subject],
    { stdio: "pipe" },
  );
  const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (_, answer) =>
    answer.end("hello"),
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { port } = server.address() as AddressInfo;
    await use(`https://localhost:${port}`, certificate);
  } finally {
    server.close();
  }
}

async function sizeOf(name: string): Promise<number> {
  const opened = await openStore(store);
  const image = await openImage(opened, (await opened.resolve(name))!, parsePlatform("linux/amd64"));
  return (await image.layers()).reduce((sum, layer) => sum + layer.descriptor.size, 0);
}

it("tests every base that there is", () => {
  const folders = readdirSync(bases, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map(({ name }) => name).sort()).toEqual([...carved, ...systems].sort());
});

describe("the small bases", () => {
  // Compressed, of the distroless images of Debian 12 for amd64.
  it.each([
    ["static", 0.8e6],
    ["base", 8.8e6],
    ["cc", 10e6],
    ["python3", 21e6],
    ["nodejs", 48e6],
  ])("has in %s less than the well-known image of its kind", async (name, most) => {
    expect(await sizeOf(`${name}:${name}`)).toBeLessThan(most);
  });

  it.each(families)("%s has users, certificates, zones and a place for temporary files", async (name) => {
    const opened = await openStore(store);
    const image = await openImage(
      opened,
      (await opened.resolve(`${name}:${name}`))!,
      parsePlatform("linux/amd64"),
    );
    const tree = await readTree(image, { unpacked: unpackedLayersDirectory(store), work: quietWork });
    expect(tree.get("/tmp")?.mode).toBe(0o1777);
    expect([tree.get("/home/nonroot")?.uid, tree.get("/home/nonroot")?.mode]).toEqual([65532, 0o700]);
    for (const path of [
      "/etc/ssl/certs/ca-certificates.crt",
      "/usr/share/zoneinfo/Europe/Berlin",
      "/etc/os-release",
    ]) {
      expect(tree.resolve(path).entry?.type, path).toBe("file");
    }
    expect(tree.resolve("/bin/sh").entry).toBeUndefined();
    const { config } = await image.config();
    expect(config?.Env).toContain("SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt");
  });

  it.each(families)("%s has variants for an ordinary user and with a shell", async (name) => {
    const script = "id -u; pwd; test -w . && echo writable; TZ=Europe/Berlin date -d @0 +%H; id -un nobody";
    const sh = ["--entrypoint", "sh"];
    expect(await output(`${name}:debug-nonroot`, ["-c", script], sh)).toBe(
      "65532\n/home/nonroot\nwritable\n01\nnobody\n",
    );
    expect(await output(`${name}:debug`, ["-c", "id -u; id -un nonroot"], sh)).toBe("0\nnonroot\n");
    const listed = JSON.parse(
      (await whittle(store, ["inspect", `${name}:nonroot`, "--format", "json"])).stdout,
    );
    expect(listed.images).toMatchObject([{ config: { User: "65532:65532", WorkingDir: "/home/nonroot" } }]);
  });

  it("explains every file", async () => {
    const listed = await whittle(store, ["tree", "python3:python3", "--format", "json"]);
    expect(listed.status, listed.stderr).toBe(0);
    const why = await whittle(store, ["why", "python3:python3", "/usr/lib/x86_64-linux-gnu/libssl.so.3"]);
    expect(why.stdout, why.stderr).toMatch(/_ssl\.cpython\S+ needs libssl\.so\.3/);
  });

  it("run programs of the machine that need a C library", async () => {
    const mount = ["-v", "/usr/bin/env:/usr/local/bin/env:ro"];
    expect(await output("base:base", ["/usr/local/bin/env", "A=b"], mount)).toContain("A=b\n");
  });

  it("load the libraries that compilers bring, with all that those need", async () => {
    const loaded = "libstdc++.so.6 libgomp.so.1 libgcc_s.so.1";
    const options = ["-v", "/usr/bin/env:/usr/local/bin/env:ro", "-e", `LD_PRELOAD=${loaded}`];
    const command = ["/usr/local/bin/env", "A=b"];
    const found = await run("cc:nonroot", command, [...options, "-e", "LD_BIND_NOW=1"]);
    expect(found).toMatchObject({ status: 0, stderr: "" });
    const absent = await run("base:nonroot", command, options);
    expect(absent.stderr).toMatch(/libgomp\.so\.1.*cannot be preloaded/);
  });

  it("are made for other platforms as they are for this one", async () => {
    const made = join(directory, "arm64");
    const platform = ["--platform", "linux/arm64"];
    const built = await whittle(store, [
      ...["build", join(bases, "python3"), "--image", "debug-nonroot", ...platform],
      ...["-o", `type=local,dest=${made}`],
    ]);
    expect(built.status, built.stderr).toBe(0);
    copyFileSync("/usr/bin/qemu-aarch64-static", join(made, "qemu"));
    const inside = (...words: string[]): string =>
      execFileSync("chroot", [made, "/qemu", ...words], { encoding: "utf8" });
    const script = "import platform, ssl, sqlite3, ctypes; print(platform.machine())";
    expect(inside("/usr/bin/python3", "-c", script)).toBe("aarch64\n");
    expect(inside("/bin/busybox", "uname", "-m")).toBe("aarch64\n");
  });
});

describe("python3", () => {
  it("has its whole standard library", async () => {
    const modules =
      "ssl, sqlite3, ctypes, lzma, bz2, zlib, zoneinfo, readline, curses, uuid, hashlib, decimal, asyncio, dbm.gnu" +
      ", multiprocessing, xml.etree.ElementTree, venv, unittest, email, json, pwd, socket, mimetypes, locale";
    const script = `
import ${modules.replace(", dbm.gnu", "")}
print(zoneinfo.ZoneInfo("Europe/Berlin"), ssl.create_default_context().cert_store_stats()["x509_ca"] > 100)
print(sqlite3.connect(":memory:").execute("select 6 * 7").fetchone(), pwd.getpwnam("nonroot").pw_uid)
print(socket.gethostbyname("localhost"), locale.setlocale(locale.LC_ALL, ""), mimetypes.guess_type("a.svg")[0])
ctypes.CDLL("libstdc++.so.6")
`;
    expect(await output("python3:nonroot", ["-c", script])).toBe(
      "Europe/Berlin True\n(42,) 65532\n127.0.0.1 C.UTF-8 image/svg+xml\n",
    );
  });

  it("checks the certificates of servers", async () => {
    await withServer(async (address, certificate) => {
      const script = `import urllib.request; print(urllib.request.urlopen("${address}").read())`;
      const host = ["--network", "host"];
      const refused = await run("python3:python3", ["-c", script], host);
      expect(refused.stderr).toContain("CERTIFICATE_VERIFY_FAILED");
      const trusted = ["-v", `${certificate}:/ca.pem:ro`, "-e", "SSL_CERT_FILE=/ca.pem"];
      expect(await output("python3:python3", ["-c", script], [...host, ...trusted])).toBe("b'hello'\n");
    });
  });
});

it("nodejs runs scripts and modules, with all languages and zones", async () => {
  const script = `
import { createHash } from "node:crypto";
import { brotliCompressSync } from "node:zlib";
import { rootCertificates } from "node:tls";
const date = new Intl.DateTimeFormat("de", { dateStyle: "full", timeZone: "Europe/Berlin" }).format(0);
console.log(date, rootCertificates.length > 100, typeof fetch, brotliCompressSync("x").length > 0, createHash("sha256").digest("hex").slice(0, 8));
`;
  expect(await output("nodejs:nonroot", ["--input-type=module", "-e", script])).toBe(
    "Donnerstag, 1. Januar 1970 true function true e3b0c442\n",
  );
});

it("java runs classes, trusts whom Debian trusts and knows zones and encodings", async () => {
  const sources = join(directory, "java");
  mkdirSync(sources);
  writeFileSync(
    join(sources, "Sample.java"),
    `import java.nio.charset.Charset;
import java.security.KeyStore;
import java.time.*;
import javax.net.ssl.*;

public class Sample {
  public static void main(String[] words) throws Exception {
    var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init((KeyStore) null);
    var issuers = ((X509TrustManager) trust.getTrustManagers()[0]).getAcceptedIssuers();
    var image = new java.awt.image.BufferedImage(8, 8, java.awt.image.BufferedImage.TYPE_INT_RGB);
    var png = new java.io.ByteArrayOutputStream();
    javax.imageio.ImageIO.write(image, "png", png);
    System.out.println(issuers.length + " " + ZonedDateTime.of(2026, 7, 1, 0, 0, 0, 0, ZoneId.of("Europe/Berlin")));
    System.out.println(System.getProperty("user.name") + " " + Charset.defaultCharset() + " " + png.size());
    if (words.length == 0) return;
    var client = java.net.http.HttpClient.newHttpClient();
    var request = java.net.http.HttpRequest.newBuilder(java.net.URI.create(words[0])).build();
    System.out.println(client.send(request, java.net.http.HttpResponse.BodyHandlers.ofString()).body());
  }
}
`,
  );
  const options = ["--entrypoint", "java", "-v", `${sources}:/sources:ro`];
  const told = await output("java:nonroot", ["/sources/Sample.java"], options);
  const bundle = await output(
    "java:debug",
    ["cat", "/etc/ssl/certs/ca-certificates.crt"],
    ["--entrypoint", "/bin/busybox"],
  );
  const issuers = bundle.split("BEGIN CERTIFICATE").length - 1;
  expect(told).toMatch(
    new RegExp(`^${issuers} 2026-07-01T00:00\\+02:00\\[Europe/Berlin\\]\nnonroot UTF-8 [1-9]\\d+\n$`),
  );
  await withServer(async (address) => {
    const refused = await run(
      "java:java",
      ["/sources/Sample.java", address],
      [...options, "--network", "host"],
    );
    expect(refused.stderr).toContain("unable to find valid certification path");
  });
});

describe("python and the wheelhouse", () => {
  it("installs applications without an index, as their Dockerfiles would from one", async () => {
    const project = join(directory, "application");
    mkdirSync(project);
    writeFileSync(
      join(project, "requirements.txt"),
      "Django>=4.2\nflask\ngunicorn\npsycopg2-binary\nPillow\nwhitenoise\n",
    );
    writeFileSync(
      join(project, "whittle.yaml"),
      `images:
  multistage: { dockerfile: Dockerfile }
contexts:
  python:3.13-slim: { image: ${bases}/python }
  docker.io/library/wheelhouse: { project: ${bases}/wheelhouse, image: wheelhouse }
  gcr.io/distroless/python3-debian13: { image: "${bases}/python3#nonroot" }
`,
    );
    writeFileSync(
      join(project, "Dockerfile"),
      `FROM scratch AS wheelhouse
FROM python:3.13-slim AS builder
COPY requirements.txt .
RUN --mount=type=bind,from=wheelhouse,target=/wheelhouse \\
    pip install --no-index --find-links=/wheelhouse --no-cache-dir -r requirements.txt && pip check
FROM gcr.io/distroless/python3-debian13
COPY --from=builder /usr/local/lib/python3.13/site-packages /usr/local/lib/python3.13/dist-packages
`,
    );
    const built = await whittle(store, ["build", project, "-t", "application:1"]);
    expect(built.status, built.stderr).toBe(0);
    const script =
      "import django, flask, gunicorn.app.wsgiapp, psycopg2, whitenoise, markupsafe._speedups, io; from PIL import Image; " +
      "f = io.BytesIO(); Image.new('RGB', (8, 8)).save(f, 'WEBP'); print(f.getvalue()[:4], psycopg2.__libpq_version__ > 0)";
    expect(await output("application:1", ["-c", script])).toBe("b'RIFF' True\n");
    const again = await whittle(store, ["build", project, "-t", "application:1"]);
    expect(again.stdout).toBe(built.stdout);
    expect(again.stderr).not.toMatch(/^✓ .*(?:RUN|configure|carve)/m);
  });

  it("has commands and places as in the official image", async () => {
    const script =
      "python --version && pip --version && pip list --format freeze && id -u && python -m venv /v && ls /v/bin/pip";
    const told = await output("python:python", ["sh", "-c", script]);
    expect(told).toMatch(/^Python 3\.13\.\d+\npip .* \(python 3\.13\)\npip==[\d.]+\n0\n\/v\/bin\/pip\n$/);
  });
});

it("golang makes static programs", async () => {
  const sources = join(directory, "go");
  mkdirSync(sources);
  writeFileSync(
    join(sources, "Dockerfile"),
    `FROM golang:golang AS build
COPY <<EOF main.go
package main
import "fmt"
func main() { fmt.Println("hello") }
EOF
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /hello main.go
FROM static:nonroot
COPY --from=build /hello /hello
ENTRYPOINT ["/hello"]
`,
  );
  const built = await whittle(store, ["build", sources, "-t", "hello:1"]);
  expect(built.status, built.stderr).toBe(0);
  expect(await output("hello:1", [])).toBe("hello\n");
});

it("postgres makes a database at its first start and keeps it at the next", async () => {
  const data = join(directory, "data");
  const scripts = join(directory, "scripts");
  mkdirSync(data);
  mkdirSync(scripts);
  writeFileSync(
    join(scripts, "1.sql"),
    "CREATE TABLE dishes (name text); INSERT INTO dishes VALUES ('soup');\n",
  );
  const refused = await run("postgres:postgres", []);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("Set POSTGRES_PASSWORD");
  for (const round of [1, 2]) {
    const name = `database-${process.pid}-${round}`;
    const volumes = [
      "-v",
      `${data}:/var/lib/postgresql/data`,
      "-v",
      `${scripts}:/docker-entrypoint-initdb.d:ro`,
    ];
    const settings = [
      "-e",
      "POSTGRES_PASSWORD=secret",
      "-e",
      "POSTGRES_USER=cook",
      "-e",
      "POSTGRES_DB=recipes",
    ];
    const started = await whittle(store, [
      "run",
      "-d",
      "--name",
      name,
      ...volumes,
      ...settings,
      "postgres:postgres",
    ]);
    expect(started.status, started.stderr).toBe(0);
    try {
      const query = [
        "psql",
        "postgresql://cook:secret@127.0.0.1/recipes",
        "-Atc",
        "SELECT name, current_user FROM dishes",
      ];
      let answer = await whittle(store, ["exec", name, ...query]);
      while (answer.status !== 0 && /refused|starting up|No such file/.test(answer.stderr)) {
        await delay(200);
        answer = await whittle(store, ["exec", name, ...query]);
      }
      expect(answer.stdout, answer.stderr).toBe("soup|cook\n");
      const owner = await whittle(store, ["exec", name, "sh", "-c", "ls -ld $PGDATA; id -u postgres"]);
      expect(owner.stdout).toMatch(/postgres postgres[\s\S]*\n999\n/);
      const stopped = await whittle(store, ["stop", name]);
      expect(stopped.status, stopped.stderr).toBe(0);
    } finally {
      await whittle(store, ["rm", "-f", name]);
    }
  }
});

it("finds the packages of every base for every platform that it names", async () => {
  const opened = await openStore(store);
  const solver = new Solver({
    ...quietWork,
    executors: standardExecutors(opened, cacheDirectory(process.env), () =>
      Promise.reject(new Error("no layers are wanted")),
    ),
    cache: { get: async () => undefined, set: async () => undefined },
  });
  for (const name of carved) {
    const project = await readProject(join(bases, name));
    const planned = await planProject(project, { ...quietWork, store: opened, environment: process.env });
    // The image with a shell has all packages of the others; what helps to make them is for this machine.
    const [most] = planned
      .filter(({ recipe: { from } }) => from !== undefined && "debian" in from)
      .sort((a, b) => (b.recipe.packages?.length ?? 0) - (a.recipe.packages?.length ?? 0));
    expect(most?.platforms.length, name).toBe(6);
    for (const { resolution } of most?.platforms ?? []) {
      expect(JSON.stringify((await solver.solve(resolution!)).record)).toContain('"base-files"');
    }
  }
});
