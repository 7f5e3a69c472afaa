import { readText } from "../io/index.ts";
import type { Tree, TreePath } from "../tree/index.ts";
import type { Libc, LibcUser } from "./elf-loader.ts";
import type { EvidenceContext, Need } from "./need.ts";
import { perTree } from "./per-tree.ts";

/** A database of the name service switch (nsswitch.conf(5)). */
interface Database {
  readonly name: string;
  /** Functions that ask it. */
  readonly functions: RegExp;
  /** What its `files` service reads. */
  readonly files: readonly TreePath[];
  /** Where nothing is configured (glibc, nss/nss_database.c). */
  readonly services: readonly string[];
}

const files = ["files"];

const databases: readonly Database[] = [
  {
    name: "passwd",
    functions: /^(?:get|set|end)pw(?:nam|uid|ent)(?:_r)?$/,
    files: ["/etc/passwd"],
    services: files,
  },
  {
    name: "group",
    functions: /^(?:(?:get|set|end)gr(?:nam|gid|ent)(?:_r)?|getgrouplist|initgroups)$/,
    files: ["/etc/group"],
    services: files,
  },
  {
    name: "initgroups",
    functions: /^(?:getgrouplist|initgroups)$/,
    files: ["/etc/group"],
    services: files,
  },
  {
    name: "shadow",
    functions: /^(?:get|set|end)sp(?:nam|ent)(?:_r)?$/,
    files: ["/etc/shadow"],
    services: files,
  },
  {
    name: "gshadow",
    functions: /^(?:get|set|end)sg(?:nam|ent)(?:_r)?$/,
    files: ["/etc/gshadow"],
    services: files,
  },
  {
    name: "hosts",
    functions: /^(?:getaddrinfo(?:_a)?|getnameinfo|gethostby(?:name2?|addr)(?:_r)?|gethostent(?:_r)?)$/,
    files: ["/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf"],
    services: ["files", "dns"],
  },
  {
    name: "services",
    functions: /^(?:getaddrinfo(?:_a)?|getnameinfo|getserv(?:byname|byport|ent)(?:_r)?)$/,
    files: ["/etc/services"],
    services: files,
  },
  {
    name: "protocols",
    functions: /^getproto(?:byname|bynumber|ent)(?:_r)?$/,
    files: ["/etc/protocols"],
    services: files,
  },
  {
    name: "networks",
    functions: /^getnet(?:byname|byaddr|ent)(?:_r)?$/,
    files: ["/etc/networks"],
    services: files,
  },
  {
    name: "netgroup",
    functions: /^(?:innetgr|(?:get|set|end)netgrent(?:_r)?)$/,
    files: ["/etc/netgroup"],
    services: files,
  },
  { name: "ethers", functions: /^ether_(?:ntohost|hostton)$/, files: ["/etc/ethers"], services: files },
  { name: "rpc", functions: /^getrpc(?:byname|bynumber|ent)(?:_r)?$/, files: ["/etc/rpc"], services: files },
  {
    name: "aliases",
    functions: /^(?:get|set|end)alias(?:byname|ent)(?:_r)?$/,
    files: ["/etc/aliases"],
    services: files,
  },
];

const configuration = "/etc/nsswitch.conf";
const mostConfiguration = 256 * 1024;

/**
 * What the name service switch opens for the lookups that an object imports: its configuration, the databases of
 * the `files` service, and a module `libnss_NAME.so.2` for every configured service. `files` and `dns` are part
 * of glibc since 2.34.
 */
export async function* nssNeeds(
  { imports, libc }: LibcUser,
  { tree }: EvidenceContext,
): AsyncGenerator<Need> {
  // Few of hundreds of functions can be meant, and each is tried by all databases.
  const names = [...imports].filter((name) => /^(?:get|set|end|in|ether_)/.test(name));
  const asked = databases.filter(({ functions }) => names.some((name) => functions.test(name)));
  if (asked.length === 0) return;
  const how = { kind: "libc", what: "nss" } as const;
  yield { path: configuration, how, missing: "ignore" };
  const configured = await configuredServices(tree);
  const services = new Set<string>();
  const read = new Set<TreePath>();
  for (const database of asked) {
    const chosen = configured.get(database.name) ?? database.services;
    for (const service of chosen) services.add(service);
    if (chosen.some((one) => one === "files" || one === "compat")) {
      for (const file of database.files) read.add(file);
    }
  }
  for (const path of read) yield { path, how, missing: "ignore" };
  const builtIn = (await hasBuiltInServices(libc)) ? new Set(["files", "dns"]) : new Set<string>();
  for (const service of services) {
    if (builtIn.has(service)) continue;
    const soname = `libnss_${service}.so.2`;
    const found = await libc.loader.find(libc.path, soname);
    // A service whose module is not installed is passed over by glibc; without files nothing is found at all.
    const missing = service === "files" ? "report" : "ignore";
    yield { path: found?.path ?? `/lib/${soname}`, how, missing };
  }
}

/** The services of each database, actions in brackets left out. */
const configuredServices = perTree(async (tree: Tree): Promise<ReadonlyMap<string, readonly string[]>> => {
  const result = new Map<string, readonly string[]>();
  const { entry } = tree.resolve(configuration);
  if (entry?.type !== "file" || entry.content.size > mostConfiguration) return result;
  for (const line of (await readText(entry.content)).split("\n")) {
    const [, name, rest] = /^\s*(\w+)\s*:(.*)$/.exec(line.replace(/#.*/, "")) ?? [];
    if (name === undefined || rest === undefined) continue;
    const words = rest.replace(/\[[^\][]*\]/g, " ").split(/\s+/);
    result.set(
      name,
      words.filter((word) => /^\w+$/.test(word)),
    );
  }
  return result;
});

async function hasBuiltInServices({ elf }: Libc): Promise<boolean> {
  const versions = await elf.versionsDefined();
  // 2.34 brought libpthread, libdl and these services into libc, and a version of that name on every machine.
  return versions.includes("GLIBC_2.34");
}
