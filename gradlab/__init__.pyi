from types import ModuleType

from gradlab.api import Theory as Theory
from gradlab.api import load as load
from gradlab.api import run as run
from gradlab.api import theory as theory
from gradlab.api import theory_table as theory_table
from gradlab.errors import GradlabError as GradlabError
from gradlab.results import Picture as Picture
from gradlab.results import Results as Results

__version__: str
__all__: list[str]

class CallableModule(ModuleType): ...
