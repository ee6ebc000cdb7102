/// The layers that scripts can name. An activation alone on a line is a layer too.
module CnnCluster.Dsl.Layers.Catalogue

open CnnCluster.Dsl

let layers: LayerDefinition list =
    [ Convolution.definition
      SeparableConvolution.depthwise
      SeparableConvolution.separable
      TransposedConvolution.definition
      Pooling.maxpool
      Pooling.avgpool
      GlobalPooling.average
      GlobalPooling.maximum
      AdaptivePooling.adaptiveAverage
      AdaptivePooling.adaptiveMaximum
      Resizing.upsample
      Dense.flatten
      Resizing.reshape
      Dense.dense
      Dropout.definition
      Dropout.spatial
      BatchNorm.definition
      LocalResponse.definition ]
    @ Normalisation.all
    @ Noise.all
    @ Pointwise.all
    @ Edges.all
    @ Merge.all
