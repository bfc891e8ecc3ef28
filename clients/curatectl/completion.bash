# bash completion for curatectl(1). Options come from the program's own --help, so they are never out of date.
# zsh reads this file too, after: autoload -U bashcompinit && bashcompinit

_curatectl_commands()
{
    curatectl --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z ]*[a-z]\)  .*/\1/p'
}

_curatectl_options()
{
    # The name of a command is one word or two.
    # shellcheck disable=SC2086
    curatectl $1 --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*=?'
}

_curatectl()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local word skip="" command=""
    local -i at
    COMPREPLY=()

    # Find the command: words that are neither options nor the values of the common ones.
    for ((at = 1; at < COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if [[ -n $skip ]]; then
            skip=
        elif [[ -z $command && $word == -[rep] ]]; then
            skip=1
        elif [[ $word != -* && $word != = ]]; then
            command="${command:+$command }$word"
            [[ $command == project || $command == model ]] || break
        fi
    done

    # Readline makes three words of --option=value.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi

    case $previous in
    -r | --requests | -e | --events)
        return
        ;;
    -p | --project)
        mapfile -t COMPREPLY < <(compgen -W "$(curatectl --timeout=1s project list 2>/dev/null)" -- "$current")
        return
        ;;
    --include | --only | import)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    drain)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$current")
        return
        ;;
    --parameter)
        mapfile -t COMPREPLY < <(compgen -W 'neighbors= clusters= margin_pool= radius= purity= redundancy= outlier_share= power= class_sought=' -- "$current")
        [[ ${#COMPREPLY[@]} -eq 1 ]] && compopt -o nospace
        return
        ;;
    -s | --strategy)
        if [[ $command == plan || $command == next ]]; then
            mapfile -t COMPREPLY < <(compgen -W 'auto random least_confidence margin entropy utility kcenter weighted_random bald variation_ratio vote_entropy committee_kl gradient_length density outlier power_bald kcenter_robust kmeans++ badge dpp facility_location graph_cut coverage typiclust probcover cluster_margin search galaxy' -- "$current")
            return
        fi
        ;;
    esac

    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_curatectl_options "$command")" -- "$current")
        [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_curatectl_commands | cut -d' ' -f1 | sort -u)" -- "$current")
    elif [[ $command == project || $command == model ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_curatectl_commands | sed -n "s/^$command //p")" -- "$current")
    fi
}

complete -F _curatectl curatectl
