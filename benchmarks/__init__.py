"""`make bench`: one job on real sshds, done by this tool and by what else people use, and judged by a third."""
