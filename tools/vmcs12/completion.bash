# SPDX-License-Identifier: BSD-2-Clause
# Completion for bash of vmcs12 and nidus-trace: `source` this, or put it into /etc/bash_completion.d. The words are those
# that the program's own --help has, so nothing here can be out of date.

_vmcs12_lines() { # PROGRAM: the lines of its SYNOPSIS
    "$1" --help 2>/dev/null | sed -n '/^SYNOPSIS/,/^DESCRIPTION/s/^    vmcs12 //p'
}

_vmcs12() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} lines words=''
    lines=$(_vmcs12_lines "${COMP_WORDS[0]}")
    case $before in
    --layout | --to) words="broadwell extended kvm computed" ;;
    --profile | --cpu) words=$("${COMP_WORDS[0]}" caps --profile '?' 2>&1 | sed -n 's/.*(\(.*\)).*/\1/p' | tr -d ,) ;;
    --color) words="auto always never" ;;
    --as) words="kvm xen" ;;
    doc) words="fields layouts rules" ;;
    kvm-state) words=$(sed -n 's/^kvm-state \([a-z]*\).*/\1/p' <<<"$lines") ;;
    *)
        if [ "$COMP_CWORD" = 1 ]; then
            words="$(cut -d' ' -f1 <<<"$lines") --help --version"
        elif [[ $word = -* ]]; then
            words=$(grep "^${COMP_WORDS[1]} " <<<"$lines" | grep -oE -- '--[a-z0-9-]+')
        fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word" | sort -u)
    [ ${#COMPREPLY[@]} != 0 ] || compopt -o default
}

_nidus_trace() {
    local word=${COMP_WORDS[COMP_CWORD]} words='' help
    help=$("${COMP_WORDS[0]}" --help 2>/dev/null)
    if [[ $word = -* ]]; then
        words=$(grep -oE -- '(^|[ [,])--?[a-z]+' <<<"$help" | grep -oE -- '--?[a-z]+')
    elif [ "$COMP_CWORD" = 1 ]; then
        words=$(grep -oE '\{text[a-z,]*\}' <<<"$help" | head -n 1 | tr -d '{}' | tr , ' ')
    elif [ "${COMP_WORDS[COMP_CWORD - 1]}" = --kind ]; then
        words=$(tr -s '[:space:]' ' ' <<<"$help" | sed 's/.*kinds only, with commas: \([a-z,]*\).*/\1/' | tr , ' ')
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word" | sort -u)
    [ ${#COMPREPLY[@]} != 0 ] || compopt -o default
}

complete -F _vmcs12 vmcs12
complete -F _nidus_trace nidus-trace
