import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostPlatform, writeImage } from "../../src/image/index.ts";
import { fileContent } from "../../src/io/index.ts";
import type { Store } from "../../src/store/index.ts";

/** Adds an image of one layer, given as a tar, the way `docker import` does. */
export async function addBase(store: Store, tar: string, name: string): Promise<void> {
  const layer = await store.add(fileContent(tar, statSync(tar).size).open());
  const descriptor = await writeImage(store, {
    platform: hostPlatform(),
    config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["sh"] },
    layers: [
      { descriptor: { mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer }, diffId: layer.digest },
    ],
    history: [{ comment: "Imported from -" }],
  });
  await store.tag(name, descriptor);
}

const applets =
  "[ adduser addgroup ar awk base64 basename bunzip2 cat chgrp chmod chown cmp cp cut date dd df dirname echo egrep " +
  "env expr false find fgrep grep gunzip gzip head hostname id install ip link ln ls md5sum mkdir mkfifo mknod mktemp " +
  "mount mv nc nproc od ping printf ps pwd readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat sync tail " +
  "tar tee test touch tr true truncate tty umask umount uname uniq unlink unxz wc whoami xargs xxd yes zcat";

const directories = "bin dev etc home/ada lib proc root sys tmp usr/bin usr/sbin var/lib var/tmp";

const accounts: Readonly<Record<string, string>> = {
  passwd:
    "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\n" +
    "ada:x:1815:1852:Ada:/home/ada:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
  group: "root:x:0:\ndaemon:x:1:\nstaff:x:50:ada\nada:x:1852:\nnogroup:x:65534:\n",
};

/**
 * Writes the root file system that the cases here stand on: Debian's busybox-static with links for what the cases
 * call, and a few accounts.
 */
export async function makeBase(tar: string): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "whittle-base-"));
  try {
    await chmod(root, 0o755);
    for (const directory of directories.split(" ")) {
      await mkdir(join(root, directory), { recursive: true, mode: 0o755 });
    }
    await chmod(join(root, "tmp"), 0o1777);
    await copyFile(busybox(), join(root, "bin/busybox"));
    await chmod(join(root, "bin/busybox"), 0o755);
    for (const applet of applets.split(" ")) await symlink("busybox", join(root, "bin", applet));
    for (const [name, text] of Object.entries(accounts)) await writeFile(join(root, "etc", name), text);
    const packing = ["--sort=name", "--mtime=@1700000000", "--owner=0", "--group=0", "--numeric-owner"];
    const packed = spawnSync("tar", [...packing, "-C", root, "-cf", tar, "."], { stdio: "inherit" });
    if (packed.status !== 0) throw new Error(`tar could not write ${tar}`);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function busybox(): string {
  const found = spawnSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).stdout.trim();
  if (found === "") throw new Error("busybox is missing: apt-get install busybox-static");
  return found;
}
