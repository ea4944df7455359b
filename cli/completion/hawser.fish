# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers

function __hawser_targets
    hawser nodes --raw --no-headings 2>/dev/null | string split -f1 ' ' | sort -u
end

function __hawser_maps
    hawser maps --raw --no-headings 2>/dev/null | string split -f1 ' '
end

complete -c hawser -f
complete -c hawser -n __fish_use_subcommand -a status -d 'Show targets, sessions, maps and paths'
complete -c hawser -n __fish_use_subcommand -a sessions -d 'List sessions'
complete -c hawser -n __fish_use_subcommand -a maps -d 'List multipath maps'
complete -c hawser -n __fish_use_subcommand -a paths -d 'List paths'
complete -c hawser -n __fish_use_subcommand -a nodes -d 'List node records'
complete -c hawser -n __fish_use_subcommand -a discover -d 'Ask a portal for its targets'
complete -c hawser -n __fish_use_subcommand -a login -d 'Log in to a target'
complete -c hawser -n __fish_use_subcommand -a logout -d 'Log out of a target'
complete -c hawser -n __fish_use_subcommand -a rescan -d 'Look for new, gone and resized logical units'
complete -c hawser -n __fish_use_subcommand -a remove -d 'Take away a disk whose target is gone for good'
complete -c hawser -n __fish_use_subcommand -a reset -d 'End what is under way at a disk, a target or a session'
complete -c hawser -n __fish_use_subcommand -a group -d 'Use a path group of a map'
complete -c hawser -n __fish_use_subcommand -a pr -d 'Persistent reservations'
complete -c hawser -n __fish_use_subcommand -a set -d 'Change a setting'
complete -c hawser -n __fish_use_subcommand -a show -d 'Show a target or a map'
complete -c hawser -n __fish_use_subcommand -a events -d 'Print the last events'
complete -c hawser -n __fish_use_subcommand -a monitor -d 'Print what happens'
complete -c hawser -n __fish_use_subcommand -a explain -d 'Tell what an exit status means'
complete -c hawser -n __fish_use_subcommand -a version -d 'Print the version'
complete -c hawser -n __fish_use_subcommand -a help -d 'Print help'
complete -c hawser -n '__fish_seen_subcommand_from sessions nodes login logout rescan set show' -a '(__hawser_targets)'
complete -c hawser -n '__fish_seen_subcommand_from paths show remove reset group pr' -a '(__hawser_maps)'
complete -c hawser -n '__fish_seen_subcommand_from status sessions maps paths nodes show discover events monitor' -s j -l json -d 'Print JSON'
complete -c hawser -n '__fish_seen_subcommand_from pr' -a 'show keys register unregister reserve release preempt clear'
complete -c hawser -n '__fish_seen_subcommand_from pr' -s A -l aptpl -d 'Keep it when the target loses power'
complete -c hawser -n '__fish_seen_subcommand_from pr' -s i -l ignore -d 'Replace whatever key is registered'
complete -c hawser -n '__fish_seen_subcommand_from pr' -s P -l per-path -d 'A key for each path'
complete -c hawser -n '__fish_seen_subcommand_from pr' -s b -l abort -d 'End the commands of who is preempted'
complete -c hawser -n '__fish_seen_subcommand_from pr' -s T -l type -x -a 'we-ro ea-ro we-ar ea-ar' -d 'Type of the reservation'
complete -c hawser -n '__fish_seen_subcommand_from events' -s S -l since -x -d 'After this number, or of this time'
complete -c hawser -n '__fish_seen_subcommand_from events' -s g -l target -x -a '(__hawser_targets)' -d 'Of this target'
complete -c hawser -n '__fish_seen_subcommand_from events' -s m -l map -x -a '(__hawser_maps)' -d 'Of this map'
complete -c hawser -n '__fish_seen_subcommand_from events' -s F -l follow -d 'Go on with those that come'
complete -c hawser -n '__fish_seen_subcommand_from status' -s w -l watch -d 'Show it again and again'
complete -c hawser -n '__fish_seen_subcommand_from status' -s R -l no-rates -d 'Show totals at once'
complete -c hawser -n '__fish_seen_subcommand_from login logout rescan set sessions nodes show' -s p -l portal -x -d 'Only this portal'
complete -c hawser -n '__fish_seen_subcommand_from login logout' -s a -l all -d 'All of them'
