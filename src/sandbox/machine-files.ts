import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readOr } from "./machine.ts";

/**
 * Writes the three files of a container that belong to the machine and not to the image; they are mounted over
 * the image's own, as Docker does.
 *
 * @param names - names that lead to the container itself, beside its hostname
 * @returns the directory that they are in
 */
export async function writeMachineFiles(
  directory: string,
  hostname: string,
  names: readonly string[],
): Promise<string> {
  const files = join(directory, "etc");
  await mkdir(files);
  const own = [hostname, ...names].join(" ");
  const hosts =
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\n" +
    `ff02::2\tip6-allrouters\n127.0.0.1\t${own}\n`;
  await Promise.all([
    writeFile(join(files, "hosts"), hosts, { mode: 0o644 }),
    writeFile(join(files, "hostname"), `${hostname}\n`, { mode: 0o644 }),
    writeFile(join(files, "resolv.conf"), readOr("/etc/resolv.conf", ""), { mode: 0o644 }),
  ]);
  return files;
}
