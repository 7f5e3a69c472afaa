import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

/** Debian packages that the end-to-end tests use, each with a program or file that shows whether it is there. */
const wanted: Readonly<Record<string, string>> = {
  runc: "runc",
  crun: "crun",
  skopeo: "skopeo",
  podman: "podman",
  "docker-registry": "docker-registry",
  htpasswd: "apache2-utils",
  openssl: "openssl",
  umoci: "umoci",
  wrk: "wrk",
  nginx: "nginx-light",
  busybox: "busybox-static",
  "tini-static": "tini",
  script: "bsdutils",
  "qemu-s390x-static": "qemu-user-static",
  mmdebstrap: "mmdebstrap",
  dpkg: "dpkg",
  "dpkg-deb": "dpkg",
  curl: "curl",
  python3: "python3",
  git: "git",
  "ssh-agent": "openssh-client",
  setfattr: "attr",
  setcap: "libcap2-bin",
  jq: "jq",
  gpg: "gpg",
  "gpg-agent": "gpg-agent",
  gpgv: "gpgv",
  readelf: "binutils",
  xz: "xz-utils",
  zstd: "zstd",
  bzip2: "bzip2",
  nsenter: "util-linux",
  newuidmap: "uidmap",
  slirp4netns: "slirp4netns",
  ip: "iproute2",
  "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
};

/**
 * Installs what is missing when this is root, and says so; otherwise ends with the line that installs it. A
 * missing tool is never a skipped test.
 */
export async function ensurePackages(): Promise<void> {
  const missing = [
    ...new Set(Object.entries(wanted).flatMap(([program, name]) => (found(program) ? [] : [name]))),
  ];
  if (missing.length === 0) return;
  const install = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (process.getuid?.() !== 0) {
    process.stderr.write(`The tests need Debian packages that are not installed. As root:\n  ${install}\n`);
    process.exit(3);
  }
  process.stdout.write(`Installing Debian packages for the tests: ${missing.join(" ")}\n`);
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const command of ["apt-get update -q", install]) {
    const done = spawnSync("sh", ["-c", command], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    if (done.status === 0) continue;
    process.stderr.write(
      `${done.stdout}${done.stderr}\nCannot install what the tests need: "${command}" failed\n`,
    );
    process.exit(3);
  }
}

function found(program: string): boolean {
  if (isAbsolute(program)) return existsSync(program);
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
