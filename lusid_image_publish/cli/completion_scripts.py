"""The scripts that let shells ask a program for completions.

They are click's, with words that have a colon or an equals sign, and with files beside names. click
puts in the names of the program, its function and its variable.
"""

from typing import Final

BASH: Final = r"""
%(complete_func)s() {
    local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}" word breaks="" kept="" reply type value
    local file files=""
    word="${line##*[[:space:]]}"
    # bash splits NAME:TAG and FORMAT=PATH into several words and replaces only the last.
    [[ "$COMP_WORDBREAKS" == *:* ]] && breaks+=:
    [[ "$COMP_WORDBREAKS" == *=* ]] && breaks+==
    [[ -n "$breaks" ]] && kept="${word%%"${word##*["$breaks"]}"}"
    COMPREPLY=()
    reply=$(env COMP_WORDS="$line" COMP_CWORD=0 %(complete_var)s=bash_complete "$1" 2>/dev/null)
    while IFS=, read -r type value; do
        case "$type" in
            dir) compopt -o dirnames ;;
            file) compopt -o default; files=1 ;;
            plain) COMPREPLY+=("${value#"$kept"}") ;;
        esac
    done <<< "$reply"
    [[ -n "$files" && ${#COMPREPLY[@]} -gt 0 ]] || return 0
    # bash adds files by itself only where there is nothing else.
    while read -r file; do
        value="$file"
        [[ "$word" == [\"\']* ]] || printf -v value '%%q' "$file"
        [[ -d "$file" ]] && value+=/
        COMPREPLY+=("${value#"$kept"}")
    done < <(compgen -f -- "${word#[\"\']}")
    [[ ${#COMPREPLY[@]} -eq 1 && "$value" == */ ]] && compopt -o nospace
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
""".lstrip()

ZSH: Final = r"""
#compdef %(prog_name)s

%(complete_func)s() {
    local -a response names described
    local type value text
    (( $+commands[%(prog_name)s] )) || return 1
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    # Only what comes after the = of --option=VALUE is replaced.
    [[ $PREFIX == --*=* ]] && compset -P '*='
    for type value text in $response; do
        case $type in
            dir) _path_files -/ ;;
            file) [[ $PREFIX == *=$value ]] && compset -P '*='; _path_files ;;
            plain) [[ $text == _ ]] && names+=("$value") || described+=("$value:$text") ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U -i "$IPREFIX"
    (( $#names )) && compadd -U -i "$IPREFIX" -V unsorted -a names
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
""".lstrip()

FISH: Final = r"""
function %(complete_func)s
    set -l token (commandline -ct)
    # Only what comes after the = of --option=VALUE is completed.
    set -l kept (string match -r '^--[^=]*=' -- $token)
    for line in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \
            COMP_CWORD=(commandline -t) %(prog_name)s 2>/dev/null)
        set -l parts (string split -m 1 , -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories $token
            case file
                complete -C "'' $token"
            case plain
                echo "$kept$parts[2]"
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
""".lstrip()
