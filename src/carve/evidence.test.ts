import { attributes, type Entry, type Origin, treeOf } from "../tree/index.ts";
import { certificatesEvidence } from "./certificates.ts";
import { elfEvidence } from "./elf.ts";
import { libcEvidence } from "./elf-libc.ts";
import { evidenceContract, fileOf, linkTo } from "./evidence.contract.ts";
import { loaderConfigurationEvidence } from "./loader-configuration.ts";
import { nginxEvidence } from "./nginx.ts";
import { ownersEvidence } from "./owners.ts";
import { packageFilesEvidence } from "./package-files.ts";
import { scriptEvidence } from "./script.ts";

const directory: Entry = { type: "directory", ...attributes(0o755) };
const program = fileOf("", 0o755);
const script = (line: string): Entry => fileOf(`${line}\necho\n`, 0o755);

const elf = ["\x7fELF", "\x7fELF\x01\x01\x01", "\x7fELF\x02\x01\x01", "\x7fELF\x02\x02\x01"];
evidenceContract(elfEvidence, ["/usr/bin/x", "/usr/lib/libx.so.1"], [], elf);
evidenceContract(libcEvidence, ["/usr/bin/x", "/usr/lib/libx.so.1"], [], elf);

evidenceContract(
  scriptEvidence,
  ["/usr/bin/x"],
  [
    {
      title: "finds the interpreter of a script",
      tree: treeOf([["/x", script("#!/bin/sh -e")]]),
      path: "/x",
      needs: ["/bin/sh script-interpreter!"],
    },
    {
      title: "passes blanks before the interpreter",
      tree: treeOf([["/x", script("#! \t/usr/bin/perl -w")]]),
      path: "/x",
      needs: ["/usr/bin/perl script-interpreter!"],
    },
    {
      title: "finds what env looks up in PATH",
      tree: treeOf([
        ["/x", script("#!/usr/bin/env python3")],
        ["/usr/local/bin/python3", program],
        ["/usr/bin/python3", program],
      ]),
      path: "/x",
      needs: ["/usr/bin/env script-interpreter!", "/usr/local/bin/python3 script-interpreter!"],
    },
    {
      title: "looks up in the PATH of the image",
      tree: treeOf([
        ["/x", script("#!/usr/bin/env node")],
        ["/opt/node", program],
      ]),
      path: "/x",
      environment: { PATH: "/bin:/opt" },
      needs: ["/usr/bin/env script-interpreter!", "/opt/node script-interpreter!"],
    },
    {
      title: "splits the words of env -S, and passes assignments and options over",
      tree: treeOf([
        ["/x", script("#!/usr/bin/env -S A=1 -u HOME -i perl -w")],
        ["/usr/bin/perl", program],
      ]),
      path: "/x",
      needs: ["/usr/bin/env script-interpreter!", "/usr/bin/perl script-interpreter!"],
    },
    {
      title: "takes -S with what follows it, and a quoted path",
      tree: treeOf([["/x", script('#!/usr/bin/env -vS"/opt/my/tool" --flag')]]),
      path: "/x",
      needs: ["/usr/bin/env script-interpreter!", "/opt/my/tool script-interpreter!"],
    },
    {
      title: "ignores a file that nobody may execute",
      tree: treeOf([["/x", fileOf("#!/bin/sh\n", 0o644)]]),
      path: "/x",
      needs: [],
    },
    {
      title: "ignores an interpreter that is no absolute path",
      tree: treeOf([["/x", script("#!perl")]]),
      path: "/x",
      needs: [],
    },
  ],
  ["#!", "#!/", "#!/usr/bin/env ", "#!/usr/bin/env -S "],
);

const build =
  "\0nginx version: nginx/1.26\0configure arguments: --with-cc-opt='-g -O2' --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf --http-log-path=/var/log/nginx/access.log --error-log-path=stderr --pid-path=/run/nginx.pid --http-client-body-temp-path=/var/lib/nginx/body\0";
const nginx = (conf: string, more: readonly (readonly [string, Entry])[] = []) =>
  treeOf([
    ["/usr/sbin/nginx", fileOf(build, 0o755)],
    [
      "/etc/nginx/nginx.conf",
      fileOf(`events {}\npid /dev/null;\naccess_log off;\nclient_body_temp_path /dev/shm;\n${conf}`),
    ],
    ...more,
  ]);
const conf = "/etc/nginx/nginx.conf";

evidenceContract(
  nginxEvidence,
  [conf, "/usr/sbin/nginx", "/x.conf"],
  [
    {
      title: "knows the program's configuration",
      tree: nginx(""),
      path: "/usr/sbin/nginx",
      needs: [`${conf} configuration`],
    },
    {
      title: "knows where an unconfigured program writes",
      tree: treeOf([
        ["/usr/sbin/nginx", fileOf(build, 0o755)],
        [conf, fileOf("events { }")],
        ["/var/lib/nginx/body", directory],
      ]),
      path: conf,
      needs: ["/var/log/nginx configuration!", "/run configuration!", "/var/lib/nginx/body configuration!"],
    },
    {
      title: "follows includes with patterns and finds what is named inside",
      tree: nginx("http { include mime.types; include conf.d/*.conf; }", [
        ["/etc/nginx/mime.types", fileOf("types { text/html html; }")],
        ["/etc/nginx/conf.d/a.conf", fileOf('ssl_certificate "/etc/ssl/my cert.pem"; # note\n')],
        ["/etc/nginx/conf.d/b.conf", fileOf("include c.conf;")],
        ["/etc/nginx/c.conf", fileOf("auth_basic_user_file users;")],
      ]),
      path: conf,
      needs: [
        "/etc/nginx/mime.types configuration",
        "/etc/nginx/conf.d/a.conf configuration",
        "/etc/nginx/conf.d/b.conf configuration",
        "/etc/ssl/my cert.pem configuration!",
        "/etc/nginx/c.conf configuration",
        "/etc/nginx/users configuration!",
      ],
    },
    {
      title: "reports an include that names one file, and not a pattern that matches none",
      tree: nginx("include gone.conf; include none/*.conf;"),
      path: conf,
      needs: ["/etc/nginx/gone.conf configuration!"],
    },
    {
      title: "loads modules from the prefix",
      tree: nginx("load_module modules/ngx_stream_module.so;"),
      path: conf,
      needs: ["/usr/share/nginx/modules/ngx_stream_module.so configuration!"],
    },
    {
      title: "keeps all below a document root, up to a variable where there is one",
      tree: nginx("root /srv/www; alias /srv/hosts/$host/x; location / { return 200 $uri; }", [
        ["/srv/www/a/b.html", fileOf("")],
        ["/srv/hosts/h/x", fileOf("")],
      ]),
      path: conf,
      needs: [
        "/srv/www configuration",
        "/srv/www/a configuration",
        "/srv/www/a/b.html configuration",
        "/srv/hosts configuration",
        "/srv/hosts/h configuration",
        "/srv/hosts/h/x configuration",
      ],
    },
    {
      title: "needs the directory of a log and the names of a user, but nothing for what is mounted",
      tree: nginx(
        "user www-data; error_log /var/log/nginx/e.log warn; access_log /dev/stdout; access_log syslog:server=x;",
      ),
      path: conf,
      needs: ["/etc/passwd configuration!", "/etc/group configuration!", "/var/log/nginx configuration!"],
    },
    {
      title: "takes no other file for a configuration",
      tree: treeOf([
        ["/etc/other.conf", fileOf("root /srv;")],
        ["/x.conf", fileOf("events { unclosed")],
      ]),
      path: "/x.conf",
      needs: [],
    },
  ],
  ["events {}\n", "events {}\ninclude ", "events{}root /"],
);

const from = (name: string): { origin: Origin } => ({
  origin: { kind: "package", name, version: "1", architecture: "amd64" },
});

evidenceContract(
  packageFilesEvidence,
  ["/usr/bin/x", "/usr/share/doc/x/copyright", "/var/lib/dpkg/status.d/x"],
  [
    {
      title: "keeps status and copyright of the package of a file",
      tree: treeOf([["/usr/bin/x", fileOf("", 0o755, from("x"))]]),
      path: "/usr/bin/x",
      needs: [
        "/usr/share/doc/x/copyright package",
        "/var/lib/dpkg/status.d/x package",
        "/var/lib/dpkg/status.d/x.md5sums package",
      ],
    },
    {
      title: "does not count directories",
      tree: treeOf([["/usr/bin", { ...directory, ...from("x") }]]),
      path: "/usr/bin",
      needs: [],
    },
    {
      title: "keeps the licence texts that a copyright file refers to",
      tree: treeOf([
        [
          "/usr/share/doc/x/copyright",
          fileOf("see /usr/share/common-licenses/GPL-2.\nand '/usr/share/common-licenses/Apache-2.0', GPL-2"),
        ],
      ]),
      path: "/usr/share/doc/x/copyright",
      needs: ["/usr/share/common-licenses/Apache-2.0 package", "/usr/share/common-licenses/GPL-2 package"],
    },
    {
      title: "keeps the name of the distribution beside a status entry",
      tree: treeOf([["/var/lib/dpkg/status.d/x", fileOf("Package: x\n")]]),
      path: "/var/lib/dpkg/status.d/x",
      needs: ["/etc/os-release package"],
    },
  ],
);

evidenceContract(
  ownersEvidence,
  ["/var/x"],
  [
    {
      title: "keeps the names of owners that have one",
      tree: treeOf([
        ["/var/x", { ...directory, uid: 33, gid: 4 }],
        ["/etc/passwd", fileOf("root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n")],
        ["/etc/group", fileOf("root:x:0:\nadm:x:4:\n")],
      ]),
      path: "/var/x",
      needs: ["/etc/passwd package", "/etc/group package"],
    },
    {
      title: "has nothing to say of numbers without a name, nor of root",
      tree: treeOf([
        ["/var/x", { ...directory, uid: 10001, gid: 10001 }],
        ["/etc/passwd", fileOf("root:x:0:0::/:/bin/sh\n")],
      ]),
      path: "/var/x",
      needs: [],
    },
  ],
);

const tls = [
  ["/usr/lib/x86_64-linux-gnu/libssl.so.3", fileOf("")],
  ["/usr/lib/x86_64-linux-gnu/libcrypto.so.3", fileOf("")],
  ["/usr/lib/ssl/certs", linkTo("/etc/ssl/certs")],
  ["/etc/ssl/certs/ca-certificates.crt", fileOf("")],
  ["/etc/ssl/certs/0a1b2c3d.0", linkTo("A.pem")],
  ["/etc/ssl/certs/A.pem", fileOf("")],
] as const;

evidenceContract(
  certificatesEvidence,
  ["/usr/lib/libssl.so.3", "/usr/lib/libgnutls.so.30"],
  [
    {
      title: "keeps the trusted roots for a TLS library",
      tree: treeOf(tls),
      path: "/usr/lib/x86_64-linux-gnu/libssl.so.3",
      environment: { SSL_CERT_FILE: "/srv/own.pem" },
      needs: [
        "/etc/ssl/certs/ca-certificates.crt package",
        "/usr/lib/ssl/cert.pem package",
        "/usr/lib/ssl/certs/0a1b2c3d.0 package",
        "/srv/own.pem package",
      ],
    },
    {
      title: "keeps the configuration of libcrypto",
      tree: treeOf(tls),
      path: "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
      needs: ["/usr/lib/ssl/openssl.cnf package"],
    },
  ],
);

evidenceContract(
  loaderConfigurationEvidence,
  ["/usr/local/lib/libx.so.1"],
  [
    {
      title: "keeps the loader's configuration for a library that is found through it only",
      tree: treeOf([
        ["/etc/ld.so.conf", fileOf("include /etc/ld.so.conf.d/*.conf\n")],
        ["/etc/ld.so.conf.d/libc.conf", fileOf("/usr/local/lib\n")],
        ["/etc/ld.so.conf.d/x86_64-linux-gnu.conf", fileOf("/usr/lib/x86_64-linux-gnu\n")],
        ["/usr/local/lib/libx.so.1", fileOf("")],
      ]),
      path: "/usr/local/lib/libx.so.1",
      needs: ["/etc/ld.so.cache libc", "/etc/ld.so.conf libc", "/etc/ld.so.conf.d/libc.conf libc"],
    },
    {
      title: "needs none for a library where the loader looks anyway",
      tree: treeOf([
        ["/etc/ld.so.conf", fileOf("/usr/lib/x86_64-linux-gnu\n")],
        ["/usr/lib/x86_64-linux-gnu/libx.so.1", fileOf("")],
      ]),
      path: "/usr/lib/x86_64-linux-gnu/libx.so.1",
      needs: [],
    },
  ],
);
