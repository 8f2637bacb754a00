"""`python -m cephdeploy_lab`: the lab's commands without the rest of cephdeploy."""

from cephdeploy_lab.cli import lab

lab(prog_name="cephdeploy lab")
