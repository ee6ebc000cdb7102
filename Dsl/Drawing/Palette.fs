/// The kinds of layers and their colours: light tints of the colours that Okabe and Ito chose to be told apart by everyone (2008).
module internal CnnCluster.Dsl.Drawing.Palette

/// What a layer does, told by what it owns and what it makes of its input.
type Family =
    | Convolution
    | Dense
    | Pooling
    | Normalisation
    | Activation
    | Merge
    | Block
    | Other

let families =
    [ Convolution, "convolution"
      Dense, "dense"
      Pooling, "pooling"
      Normalisation, "normalisation"
      Activation, "activation"
      Merge, "merge"
      Block, "block"
      Other, "other" ]

let fill =
    function
    | Convolution -> "#a9d4f2"
    | Dense -> "#9fdcc6"
    | Pooling -> "#f7cf88"
    | Normalisation -> "#f8f3b8"
    | Activation -> "#ecc9dd"
    | Merge -> "#f0b48f"
    | Block -> "#d7dde4"
    | Other -> "#ececec"

let input = "#ffffff"
let ink = "#1f2933"
let faint = "#5f6b76"
let line = "#48535e"
let group = "#f5f7f9"
let groupLine = "#c3ccd5"
let background = "#ffffff"
let font = "Helvetica, Arial, 'Liberation Sans', sans-serif"
