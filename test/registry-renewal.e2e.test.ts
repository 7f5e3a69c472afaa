import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, it, onTestFinished } from "vitest";
import { openStore } from "../src/store/index.ts";
import { temporary } from "./program.ts";
import { whittleServe } from "./registry-servers.ts";

function certificate(place: string, name: string): { cert: string; key: string; fingerprint: string } {
  const [cert, key] = [join(place, `${name}.crt`), join(place, `${name}.key`)];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", ...kind, ...subject, ...files], { stdio: "ignore" });
  return { cert, key, fingerprint: new X509Certificate(readFileSync(cert)).fingerprint256 };
}

async function shownBy(port: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

it("a certificate that is renewed is shown without a new start", { timeout: 60_000 }, async () => {
  const place = temporary();
  onTestFinished(() => rmSync(place, { recursive: true, force: true }));
  await openStore(join(place, "store"), { create: true });
  const [first, second] = [certificate(place, "first"), certificate(place, "second")];
  const [cert, key] = [join(place, "tls.crt"), join(place, "tls.key")];
  copyFileSync(first.cert, cert);
  copyFileSync(first.key, key);
  const server = await whittleServe(join(place, "store"), ["--tls-cert", cert, "--tls-key", key]);
  onTestFinished(() => server.stop());
  const until = async (is: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 100));
  };
  expect(await shownBy(server.port)).toBe(first.fingerprint);
  // While only one of them is written they do not belong together.
  copyFileSync(second.cert, cert);
  await until(() => server.log().includes(`"warning":"Cannot use ${key}`));
  expect(await shownBy(server.port)).toBe(first.fingerprint);
  copyFileSync(second.key, key);
  await until(async () => (await shownBy(server.port)) === second.fingerprint);
  writeFileSync(cert, "nothing");
  await until(() => server.log().includes(`"warning":"Cannot use ${cert}`));
  expect(await shownBy(server.port)).toBe(second.fingerprint);
});
