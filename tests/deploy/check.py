#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold scripts/deploy against what it is for.

    check.py [PROGRAM]           build/scope-bpf

Manifests: each object against the published schema of its kind
(kubernetes.json; scripts/kubernetes-schema says where that is from): no field
that is not there, none of another type, none missing. Then what a schema does
not say: names that refer to each other, the capabilities, the probes. Then the
program's own word on the options that it is started with, in manifests, unit and
image. The unit by systemd's own checks. What the image installs by what the program
is linked with.

First the check itself is tried on manifests with faults. Ends with the counted
line.
"""

import copy
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
DEPLOY = os.path.join(TOP, 'scripts/deploy')
PROGRAM = os.path.join(TOP, sys.argv[1] if len(sys.argv) > 1 else 'build/scope-bpf')
CAPABILITIES = ['BPF', 'PERFMON', 'SYS_PTRACE']
QUANTITY = re.compile(r'^[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i)?$')

with open(os.path.join(HERE, 'kubernetes.json'), encoding='utf-8') as schema_file:
    SCHEMA = json.load(schema_file)


# ---- the schema -----------------------------------------------------------------


def check(value, shape, at):
    """Faults of a value that should have this shape."""
    if isinstance(shape, list):
        return globals()['check_' + shape[0].replace(' ', '_')](value, shape[1], at)
    ok = {
        'string': isinstance(value, str),
        'number': isinstance(value, (int, float)) and not isinstance(value, bool),
        'boolean': isinstance(value, bool),
        'quantity': isinstance(value, (int, float, str)) and not isinstance(value, bool),
        'any': True,
    }[shape]
    return [] if ok else [f'{at}: {value!r} is no {shape}']


def check_list(value, shape, at):
    if not isinstance(value, list):
        return [f'{at}: no list']
    return [f for i, v in enumerate(value) for f in check(v, shape, f'{at}[{i}]')]


def check_map(value, shape, at):
    if not isinstance(value, dict):
        return [f'{at}: no map']
    return [f for k, v in value.items()
            for f in check(k, 'string', at) + check(v, shape, f'{at}.{k}')]


def check_one_of(value, words, at):
    return [] if value in words else [f'{at}: {value!r} is none of {words}']


def check_type(value, name, at):
    t = SCHEMA['types'][name]
    if 'as' in t:
        return check(value, t['as'], at)
    if not isinstance(value, dict):
        return [f'{at}: no object']
    faults = [f'{at}: no {k}' for k, f in t['fields'].items()
              if f.get('needed') and k not in value]
    for k, v in value.items():
        if k not in t['fields']:
            faults.append(f'{at}: there is no field {k}')
        else:
            faults += check(v, t['fields'][k]['is'], f'{at}.{k}')
    return faults


# ---- what the schema does not say --------------------------------------------------


def containers_of(pod):
    return pod.get('initContainers', []) + pod['containers']


def check_container(c, pod, at):
    faults = []
    ports = {p['name'] for p in c.get('ports', [])}
    for name in 'livenessProbe', 'readinessProbe':
        get = c.get(name, {}).get('httpGet', {})
        if get.get('port') not in ports:
            faults.append(f'{at}: {name} asks a port that is not there')
    if c.get('livenessProbe', {}).get('httpGet', {}).get('path') != '/healthz':
        faults.append(f'{at}: alive is who answers /healthz')
    if c.get('readinessProbe', {}).get('httpGet', {}).get('path') != '/readyz':
        faults.append(f'{at}: ready is who answers /readyz')
    volumes = {v['name'] for v in pod.get('volumes', [])}
    mounts = c.get('volumeMounts', [])
    for m in mounts:
        if m['name'] not in volumes:
            faults.append(f'{at}: no volume {m["name"]}')
    args = c.get('args', [])
    for option in '--token-file',:
        path = args[args.index(option) + 1] if option in args else ''
        if not any(path.startswith(m['mountPath'] + '/') for m in mounts):
            faults.append(f'{at}: {option} {path} is in no volume')
    listen = args[args.index('--listen') + 1] if '--listen' in args else ''
    if not any(listen.endswith(f':{p["containerPort"]}') for p in c.get('ports', [])):
        faults.append(f'{at}: it listens on another port than it says')
    s = c.get('securityContext', {})
    if sorted(s.get('capabilities', {}).get('add', [])) != CAPABILITIES:
        faults.append(f'{at}: capabilities other than {CAPABILITIES}')
    if s.get('capabilities', {}).get('drop') != ['ALL']:
        faults.append(f'{at}: keeps capabilities')
    if s.get('privileged') or s.get('allowPrivilegeEscalation') is not False:
        faults.append(f'{at}: more privileges than needed')
    if not s.get('readOnlyRootFilesystem') or s.get('runAsUser') != 0:
        faults.append(f'{at}: root file system, user')
    for what in c.get('resources', {}).values():
        for k, v in what.items():
            if not QUANTITY.match(str(v)):
                faults.append(f'{at}: {k}: {v} is no quantity')
    if 'requests' not in c.get('resources', {}) or \
            'memory' not in c['resources'].get('limits', {}):
        faults.append(f'{at}: no bounds')
    return faults


def pod_of(obj):
    return obj['spec'] if obj['kind'] == 'Pod' else obj['spec']['template']['spec']


def check_object(obj):
    at = f'{obj.get("kind")} {obj.get("metadata", {}).get("name")}'
    api = obj.get('apiVersion', '')
    kind = SCHEMA['kinds'].get(f'{api}/{obj.get("kind")}')
    if not kind:
        return [f'{at}: no such kind of {api}']
    faults = check_type(obj, kind, at)
    if faults or obj['kind'] not in ('Pod', 'DaemonSet'):
        return faults
    pod = pod_of(obj)
    ours = [c for c in containers_of(pod) if c['name'] == 'scope-bpf']
    if len(ours) != 1:
        return [f'{at}: no container scope-bpf']
    if obj['kind'] == 'Pod':
        if not pod.get('shareProcessNamespace') or pod.get('hostPID'):
            faults.append(f'{at}: the processes of the pod are to be seen, no others')
    else:
        if not pod.get('hostPID') or {'operator': 'Exists'} not in pod['tolerations']:
            faults.append(f'{at}: all processes of all machines are to be seen')
        labels = obj['spec']['template']['metadata']['labels']
        if obj['spec']['selector']['matchLabels'].items() - labels.items():
            faults.append(f'{at}: does not select its own pods')
    return faults + check_container(ours[0], pod, at)


def load(name):
    with open(os.path.join(DEPLOY, name), encoding='utf-8') as f:
        return [o for o in yaml.safe_load_all(f) if o]


def check_manifest(name):
    objects = load(name)
    faults = [f for o in objects for f in check_object(o)]
    spaces = {o['metadata']['name'] for o in objects if o['kind'] == 'Namespace'}
    accounts = {o['metadata']['name'] for o in objects if o['kind'] == 'ServiceAccount'}
    for o in objects:
        space = o['metadata'].get('namespace')
        if space and space not in spaces:
            faults.append(f'{name}: no namespace {space}')
        if o['kind'] == 'DaemonSet' and \
                o['spec']['template']['spec'].get('serviceAccountName') not in accounts:
            faults.append(f'{name}: no such service account')
    return faults


# ---- does the check find faults ------------------------------------------------------


def broken():
    """Manifests with one fault each, and what it is."""
    good = next(o for o in load('daemonset.yaml') if o['kind'] == 'DaemonSet')

    def but(change):
        o = copy.deepcopy(good)
        change(o, o['spec']['template']['spec'], o['spec']['template']['spec']['containers'][0])
        return o

    yield 'an unknown field', but(lambda o, p, c: p.update(hostPid=True))
    yield 'an unknown field deep down', but(
        lambda o, p, c: c['livenessProbe']['httpGet'].update(prot=1))
    yield 'a wrong type', but(lambda o, p, c: p.update(hostPID='yes'))
    yield 'a wrong word', but(lambda o, p, c: c.update(imagePullPolicy='Sometimes'))
    yield 'a missing name', but(lambda o, p, c: c.pop('name'))
    yield 'a missing selector', but(lambda o, p, c: o['spec'].pop('selector'))
    yield 'a port of nobody', but(
        lambda o, p, c: c['readinessProbe']['httpGet'].update(port='web'))
    yield 'a volume of nobody', but(lambda o, p, c: p['volumes'].pop())
    yield 'a capability too many', but(
        lambda o, p, c: c['securityContext']['capabilities']['add'].append('NET_ADMIN'))
    yield 'another API version', but(lambda o, p, c: o.update(apiVersion='v1'))
    yield 'no quantity', but(
        lambda o, p, c: c['resources']['limits'].update(memory='1Gb'))


def check_checks():
    return [f'{what} is not found' for what, o in broken() if not check_object(o)]


# ---- the program's own word ----------------------------------------------------------


def logical_lines(name):
    with open(os.path.join(DEPLOY, name), encoding='utf-8') as f:
        text = re.sub(r'^#.*\n', '', f.read(), flags=re.M)
    return re.sub(r'\\\n\s*', ' ', text).splitlines()


def commands():
    """Every way in which the program is started: where, and its arguments."""
    for name in 'daemonset.yaml', 'sidecar.yaml':
        for o in load(name):
            if o['kind'] in ('Pod', 'DaemonSet'):
                for c in containers_of(pod_of(o)):
                    if c['name'] == 'scope-bpf':
                        yield name, c['args']
    for line in logical_lines('scope-bpf.service'):
        if line.startswith('ExecStart='):
            yield 'scope-bpf.service', shlex.split(line)[1:]
    for line in logical_lines('Containerfile'):
        if line.startswith('CMD '):
            yield 'Containerfile', json.loads(line[4:])


def check_commands():
    faults = []
    for where, args in commands():
        if '--discover' not in args:
            faults.append(f'{where}: watches one node')
        # Options are looked at in their order, so that --help is what is done.
        r = subprocess.run([PROGRAM, *args, '--help'], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, check=False)
        if r.returncode != 0:
            faults.append(f'{where}: {r.stderr.strip()}')
    return faults


def check_unit():
    with open(os.path.join(DEPLOY, 'scope-bpf.service'), encoding='utf-8') as f:
        text = f.read()
    with tempfile.TemporaryDirectory() as d:
        # It is not installed here; everything else is as it is.
        unit = os.path.join(d, 'scope-bpf.service')
        with open(unit, 'w', encoding='utf-8') as f:
            f.write(text.replace('/usr/local/bin/scope-bpf', os.path.realpath(PROGRAM)))
        faults = []
        for command in (['verify', '--man=no', unit],
                        ['security', '--offline=true', '--threshold=30', unit]):
            r = subprocess.run(['systemd-analyze', *command], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, check=False)
            if r.returncode or (command[0] == 'verify' and r.stdout.strip()):
                faults.append(f'systemd-analyze {command[0]}: {r.stdout.strip()[-600:]}')
    return faults


def check_image():
    """Each library of the program's own list is installed, from the folders that
    are copied."""
    text = ' '.join(logical_lines('Containerfile'))
    faults = []
    for m in re.finditer(r'COPY (?!--from)(\S+(?: \S+)*?) \S+ (?=RUN|COPY|FROM)', text):
        for path in m[1].split():
            if not os.path.exists(os.path.join(TOP, path)):
                faults.append(f'Containerfile: no {path} to copy')
    installed = set(re.findall(r'\blib[a-z0-9.+-]+', text))
    r = subprocess.run(['readelf', '-d', PROGRAM], stdout=subprocess.PIPE, text=True,
                       check=True)
    for lib in re.findall(r'NEEDED.*\[(\S+)\.so', r.stdout):
        stem = {'libz': 'zlib', 'libtinfo': 'libncursesw', 'libpcre2-8': 'libpcre2-8'}.get(
            lib, lib)
        if lib in ('libc', 'libm', 'libpthread') or stem == 'zlib':
            continue
        if not any(p.startswith(stem) for p in installed):
            faults.append(f'Containerfile: {lib} is not installed')
    return faults


def main():
    passed = failed = 0
    for name, faults in (
            ('the check itself', check_checks()),
            ('daemonset.yaml', check_manifest('daemonset.yaml')),
            ('sidecar.yaml', check_manifest('sidecar.yaml')),
            ('options', check_commands()),
            ('scope-bpf.service', check_unit()),
            ('Containerfile', check_image())):
        if faults:
            failed += 1
            print(f'{name}: FAIL')
            for f in faults:
                print(f'  {f}')
        else:
            passed += 1
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


sys.exit(main())
