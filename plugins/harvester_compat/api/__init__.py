"""What such plugins see: classes and functions under the names that they import (see ``names``)."""
