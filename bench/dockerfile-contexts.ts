import { randomBytes } from "node:crypto";
import { appendFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A Python application as its Dockerfile sees it: system packages, then dependencies, then sources, in two stages. */
export async function makeApplication(directory: string): Promise<void> {
  await mkdir(join(directory, "app"), { recursive: true });
  await writeFile(join(directory, "requirements.txt"), "flask==3.1\n");
  for (let i = 0; i < 200; i++) {
    await writeFile(join(directory, `app/module_${i}.py`), `"""Module ${i}."""\n`.repeat(40));
  }
  await writeFile(
    join(directory, "Dockerfile"),
    `FROM debian:trixie-slim AS build
WORKDIR /src
COPY requirements.txt .
RUN mkdir -p /opt/venv/lib && cp -a /usr/share/perl /usr/share/zoneinfo /usr/share/i18n /opt/venv/lib/ 2>/dev/null; \\
    for i in $(seq 1 2000); do echo "value = $i" > /opt/venv/lib/module_$i.py; done
COPY app app
RUN find app -type f -exec sha256sum {} + > /opt/venv/sums

FROM debian:trixie-slim
RUN cp -a /usr/lib/x86_64-linux-gnu /opt/libraries && rm -r /opt/libraries/perl-base && groupadd -r app && useradd -r -g app app
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --chown=app:app app .
USER app
CMD ["python3", "-m", "app"]
`,
  );
}

/** One source file of the application, as after an edit. */
export async function editApplication(directory: string, round: number): Promise<void> {
  await writeFile(join(directory, "app/module_7.py"), `"""Edited ${round} at ${Date.now()}."""\n`);
}

/** A file of 200 MB, half of it text that compresses and half of it noise, which one COPY puts into a layer. */
export async function makeLargeFile(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "Dockerfile"), "FROM scratch\nCOPY large /large\n");
  const text = await sourceText();
  await writeFile(join(directory, "large"), "");
  for (let i = 0; i < 25; i++) {
    const noise = randomBytes(4_000_000);
    await appendFile(join(directory, "large"), Buffer.concat([text.subarray(0, 4_000_000), noise]));
  }
}

/** The large file with another end. */
export async function editLargeFile(directory: string, round: number): Promise<void> {
  await appendFile(join(directory, "large"), `${round} ${Date.now()}\n`);
}

/** A RUN that leaves 200 MB, of which each other file is noise. */
export async function makeLargeRun(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(
    join(directory, "Dockerfile"),
    `FROM debian:trixie-slim
COPY round /
RUN mkdir /large && cd /large && for i in 1 2 3 4 5 6 7 8 9 10; do \\
      head -c 10000000 /dev/urandom > noise$i; cat /usr/lib/*/lib*.so.* | head -c 10000000 > libraries$i; done
`,
  );
}

/** What makes the command run again. */
export async function editLargeRun(directory: string, round: number): Promise<void> {
  await writeFile(join(directory, "round"), `${round} ${Date.now()}\n`);
}

const smallFiles = 50_000;

/** 50,000 small files in 500 directories, all of them copied. */
export async function makeManyFiles(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "Dockerfile"), "FROM scratch\nCOPY . /srv/\n");
  for (let i = 0; i < smallFiles; i++) {
    const below = join(directory, `d${Math.floor(i / 100)}`);
    if (i % 100 === 0) await mkdir(below);
    await writeFile(join(below, `file-${i}.txt`), `file number ${i}\n`.repeat(1 + (i % 20)));
  }
}

/** One of the small files with another content. */
export async function editManyFiles(directory: string, round: number): Promise<void> {
  await writeFile(join(directory, "d250/file-25042.txt"), `edited ${round} ${Date.now()}\n`);
}

/** Four megabytes of this project's own sources. */
async function sourceText(): Promise<Buffer> {
  const below = join(import.meta.dirname, "../src");
  const names = (await readdir(below, { recursive: true })).filter((name) => name.endsWith(".ts"));
  const parts: Buffer[] = [];
  let size = 0;
  for (let i = 0; size < 4_000_000; i++) {
    const part = await readFile(join(below, names[i % names.length] ?? ""));
    parts.push(part);
    size += part.length;
  }
  return Buffer.concat(parts);
}
