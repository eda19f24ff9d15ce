from gradlab.api.python import Theory as Theory
from gradlab.api.python import load as load
from gradlab.api.python import run as run
from gradlab.api.python import theory as theory
from gradlab.api.python import theory_table as theory_table
from gradlab.api.results import Picture as Picture
from gradlab.api.results import Results as Results
from gradlab.errors import GradlabError as GradlabError

__version__: str
__all__: list[str]
