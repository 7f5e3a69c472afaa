import { constants } from "node:os";
import koffi from "koffi";

/** Flags of mount(2) and umount2(2). */
export const mountFlags = {
  readOnly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  remount: 32,
  bind: 4096,
  recursive: 16384,
  private: 1 << 18,
  slave: 1 << 19,
  detach: 2,
} as const;

// The C library is part of this process already, whichever it is (glibc or musl).
const libc = koffi.load(null);

const calls = {
  mount: libc.func("int mount(const char *, const char *, const char *, unsigned long, const char *)"),
  umount2: libc.func("int umount2(const char *, int)"),
  pivot_root: libc.func("int pivot_root(const char *, const char *)"),
  fchdir: libc.func("int fchdir(int)"),
  setns: libc.func("int setns(int, int)"),
  unshare: libc.func("int unshare(int)"),
  prctl: libc.func("int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)"),
  setgroups: libc.func("int setgroups(size_t, const uint32_t *)"),
  setresgid: libc.func("int setresgid(uint32_t, uint32_t, uint32_t)"),
  setresuid: libc.func("int setresuid(uint32_t, uint32_t, uint32_t)"),
  capset: libc.func("int capset(const uint32_t *, const uint32_t *)"),
  sethostname: libc.func("int sethostname(const char *, size_t)"),
  socket: libc.func("int socket(int, int, int)"),
  ioctl: libc.func("int ioctl(int, unsigned long, const uint8_t *)"),
  signal: libc.func("uintptr_t signal(int, uintptr_t)"),
  fcntl: libc.func("int fcntl(int, int, int)"),
  setrlimit: libc.func("int setrlimit(int, const uint64_t *)"),
  execve: libc.func("int execve(const char *, const char **, const char **)"),
};

type CallName = keyof typeof calls;

/** A system call that failed: `code` is the symbolic error number. */
export class SystemCallError extends Error {
  readonly code: string;

  constructor(call: string, code: string, detail: string) {
    super(`${call}${detail === "" ? "" : ` ${detail}`}: ${code}`);
    this.code = code;
  }
}

const errorNames = new Map(Object.entries(constants.errno).map(([name, number]) => [number as number, name]));

function call(name: CallName, detail: string, ...args: unknown[]): void {
  if (calls[name](...args) === 0) return;
  throw new SystemCallError(name, errorNames.get(koffi.errno()) ?? String(koffi.errno()), detail);
}

/** mount(2). */
export function mount(
  source: string | null,
  target: string,
  type: string | null,
  flags: number,
  data: string | null = null,
): void {
  call("mount", target, source, target, type, flags, data);
}

/** Makes `directory` the root of this mount namespace and leaves the old root in reach of `oldRoot` only. */
export function pivotInto(directory: string): void {
  process.chdir(directory);
  call("pivot_root", directory, ".", ".");
}

/** Unmounts what is at a path now and frees it when nobody uses it any more. */
export function detach(path: string): void {
  call("umount2", path, path, mountFlags.detach);
}

/** fchdir(2). */
export function changeDirectory(descriptor: number): void {
  call("fchdir", "", descriptor);
}

const cloneFs = 0x200;
const cloneNewNs = 0x20000;

/** Moves this thread into a mount namespace; its root becomes the root directory. */
export function enterMountNamespace(descriptor: number): void {
  // The other threads of Node share root and working directory with this one, which setns(2) does not allow.
  call("unshare", "", cloneFs);
  call("setns", "", descriptor, cloneNewNs);
}

/** sethostname(2). */
export function setHostname(name: string): void {
  call("sethostname", name, name, Buffer.byteLength(name));
}

const streamSocket = 1;
const internet = 2;
const setInterfaceFlags = 0x8914;
const interfaceUp = 0x1;

/** Brings the loopback interface of this network namespace up (netdevice(7)). */
export function loopbackUp(): void {
  const socket = calls.socket(internet, streamSocket, 0) as number;
  const request = Buffer.alloc(40);
  request.write("lo");
  request.writeUInt16LE(interfaceUp, 16);
  call("ioctl", "lo", socket, setInterfaceFlags, request);
}

const dropBounding = 24;
const noNewPrivileges = 38;
const ambient = 47;
const ambientClearAll = 4;

/** Takes capabilities, by number, out of what any later program can have. */
export function dropBoundingCapabilities(numbers: readonly number[]): void {
  for (const number of numbers) call("prctl", "bounding set", dropBounding, number, 0, 0, 0);
}

/** Sets the effective and permitted capabilities of this thread; nothing is inheritable. */
export function setCapabilities(numbers: readonly number[]): void {
  const version3 = 0x20080522;
  const bits = numbers.reduce((sum, number) => sum | (1n << BigInt(number)), 0n);
  const low = Number(bits & 0xffffffffn);
  const high = Number(bits >> 32n);
  call("prctl", "ambient set", ambient, ambientClearAll, 0, 0, 0);
  call("capset", "", Uint32Array.of(version3, 0), Uint32Array.of(low, low, 0, high, high, 0));
}

/** From here on no program gains privileges by being executed (prctl(2)). */
export function forbidNewPrivileges(): void {
  call("prctl", "no_new_privs", noNewPrivileges, 1, 0, 0, 0);
}

// From the kernel's asm-generic/resource.h; the same on all architectures that Node runs on.
const resources: readonly string[] =
  "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME".split(
    " ",
  );

/**
 * setrlimit(2).
 *
 * @param type - as the OCI runtime-spec names it
 */
export function limitResource(type: string, soft: number, hard: number): void {
  const number = resources.findIndex((name) => type === `RLIMIT_${name}`);
  if (number < 0) throw new SystemCallError("setrlimit", "unknown", type);
  call("setrlimit", type, number, BigUint64Array.of(BigInt(soft), BigInt(hard)));
}

/** Becomes another user and group, with these additional groups. */
export function becomeUser(uid: number, gid: number, additionalGids: readonly number[] | undefined): void {
  if (additionalGids !== undefined) {
    call("setgroups", "", additionalGids.length, Uint32Array.from(additionalGids));
  }
  call("setresgid", String(gid), gid, gid, gid);
  call("setresuid", String(uid), uid, uid, uid);
}

const defaultAction = 0;
const setDescriptorFlags = 2;

/** Becomes another program; comes back only by throwing. */
export function execute(file: string, args: readonly string[], env: readonly string[]): never {
  // Node ignores SIGPIPE, and what is ignored stays so for the next program (signal(7)).
  for (const signal of [constants.signals.SIGPIPE, constants.signals.SIGXFSZ]) {
    calls.signal(signal, defaultAction);
  }
  // And it marks the standard streams as not for others.
  for (const descriptor of [0, 1, 2]) call("fcntl", "", descriptor, setDescriptorFlags, 0);
  call("execve", file, file, [...args, null], [...env, null]);
  throw new SystemCallError("execve", "it came back", file);
}
