from gradlab.api.plan import Plan as Plan
from gradlab.api.theory import Theory as Theory
from gradlab.components import Lengths as Lengths
from gradlab.components import Param as Param
from gradlab.errors import GradlabError as GradlabError
from gradlab.errors import OptionError as OptionError
from gradlab.errors import PluginError as PluginError
from gradlab.errors import SpecError as SpecError
from gradlab.errors import StoreError as StoreError
from gradlab.errors import UsageError as UsageError
from gradlab.mean_field.activations import NumpyActivation as NumpyActivation
from gradlab.plugins import activation as activation
from gradlab.plugins import family as family
from gradlab.plugins import init as init
from gradlab.plugins import norm as norm
from gradlab.plugins import optimizer as optimizer
from gradlab.plugins import plugin as plugin
from gradlab.plugins import task as task
from gradlab.python.comparison import Comparison as Comparison
from gradlab.python.functions import compare as compare
from gradlab.python.functions import critical_line as critical_line
from gradlab.python.functions import load as load
from gradlab.python.functions import plan as plan
from gradlab.python.functions import run as run
from gradlab.python.functions import sweep as sweep
from gradlab.python.functions import theory as theory
from gradlab.python.functions import theory_table as theory_table
from gradlab.python.probe import Probe as Probe
from gradlab.python.probe import probe as probe
from gradlab.python.results import Picture as Picture
from gradlab.python.results import Results as Results
from gradlab.python.watch import Watch as Watch
from gradlab.python.watch import watch as watch
from gradlab.python.width import Width as Width
from gradlab.python.width import width as width

__version__: str
__all__: list[str]
