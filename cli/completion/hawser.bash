# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
# bash completion for hawser(8)

_hawser_targets()
{
	hawser nodes --raw --no-headings 2>/dev/null | cut -d' ' -f1 | sort -u
}

_hawser_maps()
{
	hawser maps --raw --no-headings 2>/dev/null | cut -d' ' -f1
}

_hawser()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local verb=${COMP_WORDS[1]} words=
	local verbs="status sessions maps paths nodes discover login logout rescan remove reset group pr set
		show events monitor explain version help"

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
		return
	fi
	if [[ $word == -* ]]; then
		case $verb in
		status) words="--json --raw --no-headings --no-colour --no-rates --watch --help" ;;
		sessions) words="--json --raw --no-headings --no-colour --portal --interface --sid --help" ;;
		maps | paths) words="--json --raw --no-headings --no-colour --help" ;;
		nodes | show) words="--json --raw --no-headings --no-colour --portal --interface --help" ;;
		discover) words="--json --raw --no-headings --no-colour --interface --login --dry-run --help" ;;
		login) words="--portal --interface --all --automatic --no-wait --help" ;;
		logout) words="--portal --interface --sid --all --force --help" ;;
		rescan) words="--portal --interface --sid --help" ;;
		remove) words="--force --help" ;;
		reset) words="--portal --interface --sid --force --help" ;;
		pr) words="--json --raw --no-headings --no-colour --per-path --ignore --aptpl --all-target-ports --abort --type --force --help" ;;
		set) words="--portal --interface --help" ;;
		events) words="--json --since --target --map --portal --follow --help" ;;
		monitor) words="--json --help" ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		return
	fi
	case $previous in
	-p | --portal | -I | --interface | -s | --sid | -S | --since) return ;;
	-g | --target)
		mapfile -t COMPREPLY < <(compgen -W "$(_hawser_targets)" -- "$word")
		return
		;;
	-m | --map)
		mapfile -t COMPREPLY < <(compgen -W "$(_hawser_maps)" -- "$word")
		return
		;;
	-T | --type) [ "$verb" = pr ] && words="we-ro ea-ro we-ar ea-ar" ;;
	esac
	case $verb in
	help) words=$verbs ;;
	paths | remove) words=$(_hawser_maps) ;;
	group)
		words=$(_hawser_maps)
		[ "$COMP_CWORD" -eq 3 ] && words="best"
		;;
	show) words="$(_hawser_targets) $(_hawser_maps)" ;;
	reset)
		words="$(_hawser_targets) $(_hawser_maps)"
		[ "$COMP_CWORD" -eq 3 ] && words="unit target target-cold session"
		;;
	pr)
		case $COMP_CWORD in
		2) words="show keys register unregister reserve release preempt clear" ;;
		3) words=$(_hawser_maps) ;;
		4) [ "${COMP_WORDS[2]}" = reserve ] && words="we-ro ea-ro we-ar ea-ar" ;;
		esac
		;;
	sessions | nodes | login | logout | rescan) words=$(_hawser_targets) ;;
	set)
		if [ "$COMP_CWORD" -eq 2 ]; then
			words=$(_hawser_targets)
		elif [ "$COMP_CWORD" -eq 3 ]; then
			words=$(hawser show "${COMP_WORDS[2]}" --raw --no-headings 2>/dev/null |
				cut -d' ' -f3 | sort -u)
		fi
		;;
	esac
	# target names hold colons, which bash takes for ends of words
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$word"
	fi
}

complete -F _hawser hawser
