import type { Command } from "commander";
import { repeated } from "./options.ts";

/** The flags of `whittle run`, as commander gives them. */
export interface RunFlags {
  readonly detach?: boolean;
  readonly name?: string;
  readonly rm?: boolean;
  readonly publish: readonly string[];
  readonly publishAll?: boolean;
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly volume: readonly string[];
  readonly mount: readonly string[];
  readonly tmpfs: readonly string[];
  readonly readOnly?: boolean;
  readonly user?: string;
  readonly workdir?: string;
  readonly entrypoint?: string;
  readonly hostname?: string;
  readonly platform?: string;
  readonly memory?: string;
  readonly cpus?: string;
  readonly pidsLimit?: string;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly network?: string;
  readonly networkAlias: readonly string[];
  readonly addHost: readonly string[];
  readonly dns: readonly string[];
  readonly pod?: string;
  readonly restart?: string;
  readonly healthCmd?: string;
  readonly healthInterval?: string;
  readonly healthTimeout?: string;
  readonly healthRetries?: string;
  readonly healthStartPeriod?: string;
  readonly healthStartInterval?: string;
  /** False with `--no-healthcheck`. */
  readonly healthcheck: boolean;
  readonly logOpt: readonly string[];
  readonly init?: boolean;
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly label: readonly string[];
  readonly stopSignal?: string;
  readonly driver?: string;
  readonly image?: string;
  readonly build?: boolean;
}

/** Adds the flags of `whittle run` to a command. */
export function defineRunFlags(command: Command): Command {
  return command
    .option("-d, --detach", "go on in the background and print the container's id")
    .option("--name <name>", "name of the container")
    .option("--rm", "remove the container when it has ended, with the volumes made for it alone")
    .option("-p, --publish <[address:]host:container[/udp]>", "answer a port; repeatable", repeated, [])
    .option("-P, --publish-all", "answer every port that the image declares, by free ones")
    .option("-e, --env <name=value>", "set a variable, or pass one on by its name; repeatable", repeated, [])
    .option("--env-file <file>", "set variables from a file; repeatable", repeated, [])
    .option("-v, --volume <[source:]destination[:ro]>", "show a directory, or keep one by name", repeated, [])
    .option("--mount <type=…,source=…,target=…>", "the same in full: bind, volume or tmpfs", repeated, [])
    .option("--tmpfs <destination[:options]>", "an empty directory in memory", repeated, [])
    .option("--read-only", "make the container's files read-only")
    .option("-u, --user <user[:group]>", "run as this user")
    .option("-w, --workdir <directory>", "run in this directory")
    .option("--entrypoint <program>", "run this instead of the image's entry point")
    .option("--hostname <name>", "the container's own name for itself")
    .option("--platform <platform>", "choose among the image's platforms")
    .option("-m, --memory <bytes>", "limit memory: 64m, 1g")
    .option("--cpus <number>", "limit processors: 0.5")
    .option("--pids-limit <number>", "limit processes")
    .option("--cap-add <name>", "add a capability; repeatable", repeated, [])
    .option("--cap-drop <name>", "drop a capability, or ALL; repeatable", repeated, [])
    .option("--network <mode>", "default (its own), none, or host")
    .option("--pod <name>", "share the network of these containers and find each other by name")
    .option("--network-alias <name>", "one more name for the others of the pod; repeatable", repeated, [])
    .option("--add-host <name:address>", "add a line to /etc/hosts; repeatable", repeated, [])
    .option("--dns <address>", "ask this name server; repeatable", repeated, [])
    .option("--restart <policy>", "no, on-failure[:times], always or unless-stopped")
    .option("--health-cmd <command>", "check health by this command line")
    .option("--health-interval <duration>", "time between checks: 30s")
    .option("--health-timeout <duration>", "time that a check may take")
    .option("--health-retries <number>", "failures in a row that make it unhealthy")
    .option("--health-start-period <duration>", "time in which failures do not count")
    .option("--health-start-interval <duration>", "time between checks in the start period")
    .option("--no-healthcheck", "do not check health")
    .option("--log-opt <name=value>", "max-size=10m, max-file=3: the output to keep", repeated, [])
    .option("--init", "put a reaper at PID 1")
    .option("-i, --interactive", "keep standard input open")
    .option("-t, --tty", "give it a terminal")
    .option("--label <name=value>", "add a label; repeatable", repeated, [])
    .option("--stop-signal <signal>", "what asks it to end")
    .option("--image <name>", "one image of a whittle.yaml with several")
    .option("--build", "build what a whittle.yaml describes even when the store has it")
    .option("--driver <name>", "run by runc, crun or plain (default: the best there is)");
}
