# shellcheck shell=bash
# Functions that all scripts here share. They need Linux with bash, coreutils, util-linux (flock,
# setsid), openssl, Java 17 to 23, Maven and Python with venv.
set -euo pipefail
umask 077

# All instances share the downloads. Each instance has its own folder for running servers.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lethe/engines
instance=${LETHE_ENGINES_DIR:-$cache/run/plain}
tls=$cache/tls
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
mkdir -p "$cache" "$instance"

# Progress goes to standard error. Standard output is for `name=value` lines.
say() { [[ -n ${QUIET:-} ]] || printf '%s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
fact() { printf '%s=%s\n' "$1" "$2"; }

need() { # need PROGRAM PACKAGE...
    command -v "$1" >/dev/null || die "$1 is missing; install it: apt-get install ${*:2}"
}
need_java() {
    need "$java" openjdk-17-jre-headless
    need mvn maven
}

# For short-lived servers: with only the first compiler and the serial collector, a start costs half
# as much, and tests write as fast. Benchmarks override it by KAFKA_JVM and CASSANDRA_JVM.
brief_jvm="-XX:+UseSerialGC -XX:TieredStopAtLevel=1"

# Concurrent runs wait for each other. `lock NAME` is held until the script ends, `cache_lock NAME`
# during a download.
lock() {
    exec 9>"$instance/.$1.lock"
    flock -w 300 9 || die "$1: another up or down has held $instance/.$1.lock for 5 minutes"
}
cache_lock() { # cache_lock NAME [SECONDS]
    exec 8>"$cache/.$1.lock"
    flock -w "${2:-900}" 8 || die "$1: another run has been fetching for $((${2:-900} / 60)) minutes ($cache/.$1.lock)"
}
cache_unlock() { exec 8>&-; }

# A pid file contains "PID START": a process that gets the same pid later has another start time. A
# zombie has ended, unless only the first of its threads has.
start_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" || $18 > 1 { print $20 }'; }
alive() {
    local pid start
    [[ -f $1 ]] && read -r pid start <"$1" && [[ -n $pid && $(start_of "$pid") = "$start" ]]
}

launch() { # launch PIDFILE LOG COMMAND...: in a new session, so that it outlives this script
    local pidfile=$1 log=$2 pid
    shift 2
    [[ ! -f $log ]] || mv -f "$log" "$log.before"
    setsid "$@" >"$log" 2>&1 </dev/null 8>&- 9>&- &
    pid=$!
    printf '%s %s\n' "$pid" "$(start_of "$pid")" >"$pidfile"
}

stop() { # stop PIDFILE SECONDS SIGNAL: only what `launch` started; sends KILL after SECONDS
    local pidfile=$1 limit=$2 signal=$3 pid tenths
    if alive "$pidfile"; then
        read -r pid _ <"$pidfile"
        kill "-$signal" "$pid" 2>/dev/null || true
        for ((tenths = 0; tenths < limit * 10; tenths++)); do
            alive "$pidfile" || break
            sleep 0.1
        done
        if alive "$pidfile"; then
            kill -KILL "$pid" 2>/dev/null || true
            while alive "$pidfile"; do sleep 0.1; done
        fi
    fi
    rm -f "$pidfile"
}

await() { # await NAME SECONDS PIDFILE LOG COMMAND...: until COMMAND succeeds; else prints the end of LOG
    local name=$1 limit=$2 pidfile=$3 log=$4 end
    shift 4
    end=$((SECONDS + limit))
    until "$@" >/dev/null 2>&1; do
        if alive "$pidfile" && ((SECONDS < end)); then
            sleep 0.2
            continue
        fi
        {
            printf -- '--- first errors and last lines of %s\n' "$log"
            grep -m 8 -E 'ERROR|FATAL|Caused by' "$log" | cut -c1-400 || true
            printf -- '---\n'
            tail -n 20 "$log" | cut -c1-400 || true
        } >&2
        alive "$pidfile" || {
            rm -f "$pidfile"
            die "$name ended before it was ready"
        }
        stop "$pidfile" 5 TERM
        die "$name was not ready after $limit seconds"
    done
}

port_open() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }
port_free() { ! port_open 127.0.0.1 "$1" || die "port $1 on 127.0.0.1 is taken by another process; choose another with $2"; }

named() { # named VARIABLE: succeeds if VARIABLE names a server; fails the script if it does not answer
    local address=${!1:-}
    [[ -n $address ]] || return 1
    [[ $address == *:* ]] || die "$1 is '$address'; give host:port"
    port_open "${address%:*}" "${address##*:}" || die "$1 names $address, and nothing listens there"
    fact "$1" "$address"
}

# A changed list of packages gets another folder, so that running servers keep their files.
folder() { echo "$cache/$1/$(sha256sum <"$2" | cut -c1-12)"; } # folder NAME LIST

jars() { # jars NAME POM: prints the folder with the jars of POM
    local dir=
    dir=$(folder "$1" "$2")
    if [[ ! -d $dir ]]; then
        cache_lock "$1"
        if [[ ! -d $dir ]]; then
            need_java
            say "$1: fetching jars with Maven ..."
            rm -rf "$dir.part"
            mkdir -p "$dir.part"
            mvn -q -B -ntp -f "$2" dependency:copy-dependencies -DoutputDirectory="$dir.part" -DincludeScope=runtime \
                >"$dir.log" 2>&1 8>&- 9>&- || {
                tail -n 20 "$dir.log" >&2
                die "$1: Maven could not fetch $2; can it reach Maven Central?"
            }
            mv "$dir.part" "$dir"
        fi
        cache_unlock
    fi
    echo "$dir"
}

# With an archive of its classes, a Java server starts in two thirds of the time. The first start on
# a machine only records that archive (CLASS_ARCHIVE). Without an archive, or with one of another
# Java, a start takes longer.
archive=() record=()
class_archive() { # class_archive NAME JARS UP: sets `archive`, and `record` in a start that records
    local file scratch
    file=$2-$(stat -Lc %Y%s "$(command -v "$java")").jsa
    if [[ -n ${CLASS_ARCHIVE:-} ]]; then
        record=("-XX:ArchiveClassesAtExit=$CLASS_ARCHIVE")
        return
    fi
    if [[ ! -f $file ]]; then
        cache_lock "$1"
        if [[ ! -f $file ]]; then
            say "$1: starting it once for an archive of its classes ..."
            scratch=$(mktemp -d)
            env -u KAFKA_NODES -u KAFKA_JVM -u CASSANDRA_JVM -u CASSANDRA_AUTH -u CASSANDRA_TLS LETHE_ENGINES_DIR="$scratch" \
                CLASS_ARCHIVE="$file.part" bash -c '"$0" && "${0%up}down"' "$3" >"$file.log" 2>&1 8>&- 9>&- || rm -f "$file.part"
            rm -rf "$scratch"
            if [[ -f $file.part ]]; then mv "$file.part" "$file"; else touch "$file"; fi
        fi
        cache_unlock
    fi
    [[ ! -s $file ]] || archive=("-XX:SharedArchiveFile=$file")
}

venv() { # venv NAME REQUIREMENTS: prints the virtual environment with REQUIREMENTS
    local dir
    dir=$(folder "$1" "$2")
    if [[ ! -f $dir/.whole ]]; then
        cache_lock "$1"
        if [[ ! -f $dir/.whole ]]; then
            need python3 python3 python3-venv
            say "$1: installing with pip ..."
            rm -rf "$dir"
            mkdir -p "$cache/$1"
            { python3 -m venv "$dir" && "$dir/bin/python" -m pip install -q --disable-pip-version-check -r "$2"; } \
                >"$dir.log" 2>&1 8>&- 9>&- || {
                tail -n 20 "$dir.log" >&2
                die "$1: pip could not install $2; can it reach its package index? (pip config list)"
            }
            touch "$dir/.whole"
        fi
        cache_unlock
    fi
    echo "$dir"
}

# Certificates for tests, all in $tls, created again a month before they expire:
#   ca.pem                       the authority that signed server and client
#   server.{crt,key,pem,p12}     for localhost and 127.0.0.1
#   client.{crt,key,pem,p12}     CN=app, for clients
#   trust.p12                    ca.pem for Java
#   stranger-ca.pem, stranger.{crt,key,pem,p12}   an authority that no server trusts, and its client
# The password of the .p12 files is changeit.
certificates() {
    local fresh="openssl x509 -in $tls/server.crt -noout -checkend 2592000"
    [[ -f $tls/.whole ]] && $fresh >/dev/null && return
    cache_lock tls
    if [[ ! -f $tls/.whole ]] || ! $fresh >/dev/null; then
        need openssl openssl
        need_java
        say "tls: making certificates ..."
        rm -rf "$tls"
        mkdir -p "$tls"
        (
            cd "$tls"
            sign() { # sign CA NAME CN
                openssl req -newkey rsa:2048 -nodes -subj "/CN=$3" -keyout "$2.key" -out "$2.csr"
                openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 3650 -extfile extensions -out "$2.crt"
                cat "$2.key" "$2.crt" "$1.pem" >"$2.pem"
                openssl pkcs12 -export -in "$2.crt" -inkey "$2.key" -certfile "$1.pem" -name "$2" -passout pass:changeit -out "$2.p12"
            }
            printf '%s\n' basicConstraints=CA:FALSE extendedKeyUsage=serverAuth,clientAuth \
                subjectAltName=DNS:localhost,IP:127.0.0.1 >extensions
            for authority in ca stranger-ca; do
                openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=Lethe test $authority" -keyout "$authority.key" \
                    -out "$authority.pem" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
            done
            sign ca server localhost
            sign ca client app
            sign stranger-ca stranger app
            "${java%java}keytool" -importcert -noprompt -alias ca -file ca.pem -storetype PKCS12 -keystore trust.p12 -storepass changeit
            rm -f ./*.csr ./*.srl extensions
            touch .whole
        ) >"$cache/tls.log" 2>&1 8>&- 9>&- || {
            tail -n 20 "$cache/tls.log" >&2
            die "tls: no certificates ($cache/tls.log)"
        }
    fi
    cache_unlock
}

down_arguments() { # down_arguments ARGUMENT...: sets signal, wipe and words
    local argument
    signal=TERM wipe='' words=()
    for argument in "$@"; do
        case $argument in
            --kill) signal=KILL ;;
            --wipe) wipe=1 ;;
            -*) die "unknown option $argument" ;;
            *) words+=("$argument") ;;
        esac
    done
}
