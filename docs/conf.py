"""How Sphinx builds the site: `make docs`, without any request to elsewhere."""

from importlib.metadata import version as installed

project = "learnability"
author = "the learnability developers"
copyright = author
version = release = installed("learnability")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
root_doc = "index"
exclude_patterns = ["house.md"]  # a part of contributing.md
nitpicky = True
# What other projects document is named, not linked: that would ask their sites.
nitpick_ignore_regex = [
    ("py:obj", ".*"),
    ("py:class", r"(?!learnability).*"),
    ("py:.*", r"(NoRates|(torch|numpy|pandas|xarray|pydantic)[.].*)"),
]
suppress_warnings = ["config.cache"]

# Pages: links to any heading, as GitHub makes their anchors.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]

# Pages that are notebooks (.md with a kernel in their head) are run, others are not.
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_show_tb = True
nb_merge_streams = True
nb_ipywidgets_js = {}
nb_output_stderr = "remove"

# The reference: signatures as they are written, types where the docstrings say them.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
autosummary_generate = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 72
add_module_names = False

html_theme = "furo"
html_title = "learnability"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
highlight_language = "none"  # of blocks that name none
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"
