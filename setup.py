"""Install harvester_hpc: three source roots, one distribution."""
from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
ROOTS = (".", "launchers", "plugins")
OURS = ("harvester_*",)

VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "harvester_hpc/__init__.py").read_text())
assert VERSION is not None

EXTRAS = {
    "panda": [],
    "globus": ["globus-sdk>=4,<5"],
    "rucio": ["rucio-clients"],
    "mariadb": ["PyMySQL>=1.1"],
    "mpi": ["mpi4py", "mpich"],
    "web": [],
    "tui": ["textual"],
    "demo": ["chromo", "numpy", "matplotlib", "mpi4py", "mpich"],
    # With pytest 9.2 pytest-xdist 3.8 tears groups of tests apart.
    "test": [
        "globus-sdk>=4,<5", "rucio-clients", "PyMySQL>=1.1", "pytest<9.2", "pytest-xdist", "ruff", "mypy", "import-linter", "mpi4py",
        "mpich",
    ],
}
EXTRAS["all"] = sorted({need for needs in EXTRAS.values() for need in needs})


def packages_by_root() -> dict[str, str]:
    """Return {import name: folder}; a package's name is its path below its source root."""
    return {
        name: name.replace(".", "/") if root == "." else f"{root}/{name.replace('.', '/')}"
        for root in ROOTS
        for name in find_packages(str(HERE / root), include=OURS)
    }


setup(
    name="harvester_hpc",
    version=VERSION.group(1),
    description="Edge job manager for supercomputers: from the WMS through the batch system and back",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=sorted(packages_by_root()),
    package_dir=packages_by_root(),
    package_data={
        "harvester_hpc": ["py.typed", "fifo/*.sql", "store/queries/*.sql", "store/migrations/*.sql", "testing/globus/*.sql"],
        "harvester_local": ["schema.sql", "queries.sql"],
        "harvester_psij": ["templates/*"],
    },
    data_files=[("share/harvester_hpc/site_configs", sorted(str(path) for path in Path("site_configs").glob("*.json")))],
    install_requires=["psij-python>=0.9.11,<0.10", "filelock>=3.12", "pydantic>=2.7,<3", "click>=8.1", "rich>=13"],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": ["harvester-hpc = harvester_hpc.cli:main"],
        "harvester_hpc.communicator": [
            "local = harvester_local.communicator:LocalCommunicator", "panda = harvester_panda.communicator:PandaCommunicator",
            "dummy = harvester_hpc.testing.fake_communicator:FakeCommunicator",
        ],
        "harvester_hpc.credential": [
            "voms = harvester_creds.voms:VomsCredential", "oidc = harvester_creds.oidc:OidcCredential",
            "plain = harvester_creds.plain:PlainCredential",
        ],
        "harvester_hpc.preparator": [
            "local = harvester_local.preparator:LocalPreparator", "local_batches = harvester_local.batches:LocalBatches",
            "command = harvester_command.copier:CommandCopier",
            "globus = harvester_globus.carrier:GlobusCarrier",
            "rucio_download = harvester_rucio.download:RucioDownload",
            "rucio_rule = harvester_rucio.rule:RucioRule",
            "dummy = harvester_hpc.testing.fake_staging:InstantPreparator",
        ],
        "harvester_hpc.stager": [
            "local = harvester_local.stager:LocalStager", "local_batches = harvester_local.batches:LocalBatches",
            "command = harvester_command.copier:CommandCopier",
            "globus = harvester_globus.carrier:GlobusStager",
            "rucio_upload = harvester_rucio.upload:RucioUpload",
            "rucio_register = harvester_rucio.register:RucioRegister",
            "dummy = harvester_hpc.testing.fake_staging:InstantStager",
        ],
        "harvester_hpc.workerMaker": [
            "simple = harvester_workers.simple:SimpleWorkerMaker",
            "multi_job = harvester_workers.multi_job:MultiJobWorkerMaker",
            "jumbo = harvester_workers.jumbo:JumboWorkerMaker",
            "dummy = harvester_hpc.testing.fake_worker_maker:FixedWorkerMaker",
        ],
        "harvester_hpc.submitter": [
            "psij = harvester_psij.submitter:PsijSubmitter", "dummy = harvester_hpc.testing.dummies:DummySubmitter",
        ],
        "harvester_hpc.monitor": ["psij = harvester_psij.monitor:PsijMonitor", "dummy = harvester_hpc.testing.dummies:DummyMonitor"],
        "harvester_hpc.sweeper": ["psij = harvester_psij.sweeper:PsijSweeper", "dummy = harvester_hpc.testing.dummies:DummySweeper"],
        "harvester_hpc.logExposer": [
            "directory = harvester_local.log_directory:LogDirectory", "panda = harvester_panda.log_upload:PandaLogs",
        ],
        "harvester_hpc.surveyor": [
            "slurm = harvester_psij.survey.slurm:SlurmSurveyor",
            "pbs = harvester_psij.survey.pbs:PbsSurveyor",
            "pbs_classic = harvester_psij.survey.pbs:TorqueSurveyor",
            "lsf = harvester_psij.survey.lsf:LsfSurveyor",
        ],
        "harvester_hpc.adapter": ["published = harvester_compat.adapter"],
        "harvester_hpc.fifo": ["sqlite = harvester_hpc.fifo.sqlite:SqliteFifos", "mariadb = harvester_mariadb.fifo:MariadbFifos"],
        "harvester_hpc.cli": [
            "globus = harvester_globus.cli:command", "wms = harvester_local.cli:command", "panda = harvester_panda.cli:command",
        ],
        "harvester_hpc.messenger": [
            "shared_file = harvester_hpc.messenger.shared_file:SharedFileMessenger",
            "dummy = harvester_hpc.testing.fake_messenger:FakeMessenger",
        ],
    },
)
