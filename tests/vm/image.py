# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""The image that every test machine starts from: Debian 12 with systemd, udev, D-Bus and polkit, the
targets and the initiators that we are measured against, and Debian's own kernels.

It is made once and kept in ~/.cache/hawser/vm (or $HAWSER_VM_CACHE), under a name that follows from
everything it is made of, so that a changed package list makes a new one. Nothing of it touches the
machine that builds it: packages come by mmdebstrap from the mirror that apt uses here.
"""

import fcntl
import glob
import hashlib
import lzma
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SUITE = "bookworm"
ROOT_MIB = 1536  # what a test may write beyond the packages; sparse, so it costs nothing

# What Debian calls a kernel here: its series, and where it comes from. Debian 12's own has no ublk.
KERNELS = {"6.12": f"{SUITE}-backports", "6.1": SUITE}

PACKAGES = """
    systemd-sysv udev dbus polkitd kmod iproute2 nftables iputils-ping
    e2fsprogs xfsprogs lvm2 mdadm mount fdisk procps less
    python3 fio nbd-client strace
    tgt libiscsi-bin multipath-tools libopeniscsiusr libisns0
    libdbus-1-3 libsystemd0 libudev1 liburing2 libnettle8 libisal2 libmnl0 libsmartcols1
    busybox-static
""".split()

# Not installed, but put below /opt: it has the same commands, folders and units as we have.
APART = {"open-iscsi": "/opt/open-iscsi"}

NOT_NEEDED = ("man", "doc", "locale", "info", "bash-completion", "lintian")

# What has no place in a machine that lives for a minute.
MASKED = """
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
    e2scrub_reap.service getty@tty1.service multipathd.service multipathd.socket
    systemd-timesyncd.service systemd-update-utmp.service systemd-update-utmp-runlevel.service
    systemd-pstore.service systemd-random-seed.service systemd-binfmt.service
    modprobe@drm.service modprobe@efi_pstore.service
    tgt.service blk-availability.service lvm2-monitor.service
    mdcheck_start.timer mdcheck_continue.timer mdmonitor-oneshot.timer
""".split()

# Modules that the machine needs before it sees its disks.
EARLY_MODULES = ("virtio_pci", "virtio_blk", "ext4")

INITRAMFS_FOLDERS = ("bin", "dev", "proc", "sys", "root")


class Unavailable(Exception):
    """There is no image, and none can be made here; the text says why."""


class Image:
    def __init__(self, folder):
        self.folder = folder
        self.root = os.path.join(folder, "root.img")

    def kernel(self, series):
        return os.path.join(self.folder, series, "vmlinuz")

    def initramfs(self, series):
        return os.path.join(self.folder, series, "initramfs")


def cache_folder():
    own = os.environ.get("HAWSER_VM_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return own or os.path.join(base, "hawser", "vm")


def key():
    """Names everything that goes into the image."""
    digest = hashlib.sha256()
    for name in ("image.py", "initramfs-init"):
        with open(os.path.join(HERE, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]


def get(say=print):
    """The image, made now when there is none. Raises Unavailable."""
    folder = os.path.join(cache_folder(), key())
    image = Image(folder)
    if os.path.exists(image.root):
        return image
    os.makedirs(cache_folder(), exist_ok=True)
    with open(os.path.join(cache_folder(), "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(image.root):
            _check_means()
            say(f"making the image, once, in {folder}")
            _make(folder)
            _remove_older(folder)
    return image


def _check_means():
    if os.geteuid() != 0:
        raise Unavailable("the image is not made yet, and making it needs root")
    for program in ("mmdebstrap", "mke2fs", "dpkg-deb"):
        if not shutil.which(program):
            raise Unavailable(f"{program} is not installed, and the image is not made yet")


def _run(command, log, **options):
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    done = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise Unavailable(f"{command[0]} failed with {done.returncode}, see {log.name}")


def _remove_older(kept):
    for folder in glob.glob(os.path.join(cache_folder(), "*", "")):
        if os.path.normpath(folder) != kept:
            shutil.rmtree(folder, ignore_errors=True)


def _make(folder):
    shutil.rmtree(folder, ignore_errors=True)
    work = os.path.join(folder, "work")
    root = os.path.join(work, "root")
    os.makedirs(os.path.join(work, "packages"))
    with open(os.path.join(cache_folder(), "image.log"), "w", encoding="utf-8") as log:
        _bootstrap(root, work, log)
        for package, place in APART.items():
            (file,) = glob.glob(os.path.join(work, "packages", f"{package}_*.deb"))
            _run(["dpkg-deb", "-x", file, root + place], log)
        for series in KERNELS:
            _add_kernel(series, folder, root, work, log)
        _set_up(root)
        partial = os.path.join(folder, "root.partial")
        with open(partial, "wb") as file:
            file.truncate(ROOT_MIB << 20)
        _run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-d", root, partial], log)
        shutil.rmtree(work)
        os.rename(partial, os.path.join(folder, "root.img"))


# ---- packages


def _mirrors():
    """{suite: address} of Debian's suites as apt has them here; other hosts get Debian's own."""
    found = {}
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)", "Created-By: Packages"],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    for line in listed.stdout.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "Debian":
            found.setdefault(words[1], words[2].rstrip("/"))
    main = found.get(SUITE, "http://deb.debian.org/debian")
    suites = {SUITE: main, f"{SUITE}-backports": main}
    if f"{SUITE}-security" in found:
        suites[f"{SUITE}-security"] = found[f"{SUITE}-security"]
    return suites


def _bootstrap(root, work, log):
    sources = os.path.join(work, "sources.list")
    with open(sources, "w", encoding="ascii") as file:
        for suite, mirror in _mirrors().items():
            file.write(f"deb {mirror} {suite} main\n")
    fetch = os.path.join(work, "fetch")
    with open(fetch, "w", encoding="ascii") as file:
        file.write(_fetch_script(os.path.join(work, "packages")))
    os.chmod(fetch, 0o755)
    command = ["mmdebstrap", "--variant=essential", "--format=directory", "--mode=root"]
    command += ['--aptopt=Apt::Install-Recommends "false"', "--dpkgopt=force-unsafe-io"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in NOT_NEEDED]
    command += [f"--include={','.join(PACKAGES)}", f"--customize-hook={fetch}"]
    _run([*command, SUITE, root, sources], log)


def _fetch_script(folder):
    """Downloads what is unpacked and not installed, with mmdebstrap's apt and its lists."""
    script = "#!/bin/sh\nset -e\nexport APT_CONFIG=$MMDEBSTRAP_APT_CONFIG\n"
    script += f"cd {folder}\n"
    for package in APART:
        script += f"apt-get download {package}\n"
    for series in KERNELS:
        pattern = rf"linux-image-{series.replace('.', '[.]')}[.][^ ]*-cloud-amd64"
        script += f"name=$(apt-cache show -a linux-image-cloud-amd64 | grep -o '{pattern}' | sort -V | tail -n 1)\n"
        script += 'apt-get download "$name"\n'
    return script


# ---- kernels


def _add_kernel(series, folder, root, work, log):
    """Its modules go into the root file system; the kernel and its initramfs stay outside."""
    (package,) = glob.glob(os.path.join(work, "packages", f"linux-image-{series}.*.deb"))
    files = os.path.join(work, f"kernel-{series}")
    _run(["dpkg-deb", "-x", package, files], log)
    (version,) = os.listdir(os.path.join(files, "lib/modules"))
    modules = os.path.join(root, "usr/lib/modules", version)
    shutil.move(os.path.join(files, "lib/modules", version), modules)
    _unpack_modules(modules)
    _run(["chroot", root, "depmod", version], log)
    os.makedirs(os.path.join(folder, series))
    shutil.copy(os.path.join(files, "boot", f"vmlinuz-{version}"), os.path.join(folder, series, "vmlinuz"))
    _make_initramfs(os.path.join(folder, series, "initramfs"), root, modules)


def _unpack_modules(modules):
    """An emulated processor takes long to do so each time that one is loaded."""
    for parent, _, names in os.walk(modules):
        for name in names:
            if name.endswith(".ko.xz"):
                path = os.path.join(parent, name)
                with lzma.open(path) as packed, open(path.removesuffix(".xz"), "wb") as file:
                    shutil.copyfileobj(packed, file)
                os.unlink(path)


def _early_modules(modules):
    """Files of EARLY_MODULES and of what they need, in the order to load them."""
    needs = {}
    with open(os.path.join(modules, "modules.dep"), encoding="ascii") as file:
        for line in file:
            path, _, rest = line.partition(":")
            needs[path] = rest.split()
    names = {os.path.basename(path).split(".")[0].replace("-", "_"): path for path in needs}
    order = []
    for name in EARLY_MODULES:
        path = names.get(name)  # None: built in
        for each in [*reversed(needs[path]), path] if path else []:
            if each not in order:
                order.append(each)
    return [os.path.join(modules, path) for path in order]


def _make_initramfs(path, root, modules):
    """busybox, a script, and a few modules, as a cpio archive of the "newc" kind."""
    with open(path, "wb") as file:
        for folder in INITRAMFS_FOLDERS:
            _add_to_cpio(file, folder, 0o040755, b"")
        with open(os.path.join(root, "bin/busybox"), "rb") as busybox:
            _add_to_cpio(file, "bin/busybox", 0o100755, busybox.read())
        with open(os.path.join(HERE, "initramfs-init"), "rb") as script:
            _add_to_cpio(file, "init", 0o100755, script.read())
        for number, module in enumerate(_early_modules(modules)):
            with open(module, "rb") as content:
                _add_to_cpio(file, f"{number:02}.ko", 0o100644, content.read())
        _add_to_cpio(file, "TRAILER!!!", 0, b"")


def _add_to_cpio(file, name, mode, content):
    raw = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    for part in (header + raw, content):
        file.write(part + b"\0" * (-len(part) % 4))


# ---- the system


def _set_up(root):
    files = {
        "etc/hostname": "hawser\n",
        "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 hawser\n::1 localhost\n",
        "etc/fstab": "/dev/vda / ext4 defaults 0 0\n",
        "etc/machine-id": "",
        "etc/modules-load.d/vm.conf": "virtio_console\n",
        # a shell without a password on the console, for "./dev vm shell"
        "etc/systemd/system/serial-getty@ttyS0.service.d/login.conf": "[Service]\nExecStart=\n"
        "ExecStart=-/sbin/agetty --autologin root --noissue --keep-baud 115200 %I linux\n",
        "etc/systemd/journald.conf.d/vm.conf": "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n",
    }
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="ascii") as file:
            file.write(text)
    for unit in MASKED:
        link = os.path.join(root, "etc/systemd/system", unit)
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink("/dev/null", link)
    _allow_empty_password(root)


def _allow_empty_password(root):
    path = os.path.join(root, "etc/shadow")
    with open(path, encoding="ascii") as file:
        lines = [line.replace("root:*:", "root::", 1) for line in file]
    with open(path, "w", encoding="ascii") as file:
        file.writelines(lines)
