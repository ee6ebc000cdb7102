namespace CnnCluster.Dsl

/// The factors of a weight's regularization loss: l1·Σ|P| + l2·ΣP².
type Regularizer = { L1: float; L2: float }

/// A catalogue entry, with defaults as in Keras 3.
type RegularizerDefinition =
    {
        Name: string
        /// What a weight P adds to the loss.
        Formula: string
        Summary: string
        Arguments: NumberArgument list
        Create: float list -> Regularizer
    }

module Regularizer =
    let none = { L1 = 0.0; L2 = 0.0 }

    /// The regularizers that scripts can name.
    let all =
        [ { Name = "none"
            Formula = "0"
            Summary = ""
            Arguments = []
            Create = fun _ -> none }
          { Name = "l1"
            Formula = "factor·Σ|P|"
            Summary = "Leads to sparse weights."
            Arguments = [ NumberArgument.atLeast 0.0 "factor" 0.01 ]
            Create = fun values -> { L1 = values[0]; L2 = 0.0 } }
          { Name = "l2"
            Formula = "factor·ΣP²"
            Summary = "Keeps weights small."
            Arguments = [ NumberArgument.atLeast 0.0 "factor" 0.01 ]
            Create = fun values -> { L1 = 0.0; L2 = values[0] } }
          { Name = "elastic"
            Formula = "l1·Σ|P| + l2·ΣP²"
            Summary = "Both."
            Arguments = [ NumberArgument.atLeast 0.0 "l1" 0.01; NumberArgument.atLeast 0.0 "l2" 0.01 ]
            Create = fun values -> { L1 = values[0]; L2 = values[1] } } ]
